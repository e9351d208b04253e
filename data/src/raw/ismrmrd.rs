//! ISMRMRD: a table of acquisitions and a header in XML.
//!
//! A slice is (coil, step 1, readout); in three dimensions a slice is a position along the readout, (coil, step 1, step 2).
//! Averages are summed. Noise scans stand apart; what is neither noise nor image is passed over.

use super::acquisition::{Acquisition, Purpose};
use super::hdf5::Hdf5;
use super::index::{Index, Line};
use super::readout::Readout;
use super::slab::{Slabs, TakeLine};
use super::table::{ADVICE, Table};
use super::xml::Header;
use super::{Frame, Kspace, NoiseScan, Opened, PhaseAxis, RawInfo, guard};
use crate::DataError;
use ndarray::{Array2, Array3};
use num_complex::Complex32;

struct Ismrmrd {
    table: Table,
    frames: Vec<(Frame, Vec<Line>)>,
    noise: Vec<usize>,
    variance_scale: f32,
    channels: usize,
    encoded: [usize; 3],
    readout: Readout,
    slabs: Option<Slabs>,
}

/// Opens the group of a file that holds `data` and `xml`.
pub(super) fn open(file: Hdf5, group: &str) -> Result<Opened, DataError> {
    let refuse = |what: &str| DataError::input(file.path(), what, ADVICE);
    let xml = file.dataset(&format!("{group}/xml"))?.ok_or_else(|| refuse("has no ISMRMRD header"))?;
    let header =
        Header::parse(&file.text(&xml)?).ok_or_else(|| refuse("has a header that is not ISMRMRD's"))?;
    let encoded = header.encoded.ok_or_else(|| refuse("has a header without an encoded matrix"))?;
    if header.trajectory.as_deref().is_some_and(|name| name != "cartesian") {
        let what =
            format!("has a trajectory that is not Cartesian ({})", header.trajectory.unwrap_or_default());
        return Err(DataError::input(file.path(), what, "grid it first"));
    }
    let table = file.dataset(&format!("{group}/data"))?.ok_or_else(|| refuse("has no acquisitions"))?;
    let table = Table::new(file, table)?;
    let mut index = Index::default();
    table.walk(|place, acquisition, _| {
        index.put(place, acquisition, &header, encoded).map_err(|m| table.misfit(place, &m))
    })?;
    if index.frames.is_empty() {
        return Err(table.refuse("has no acquisitions of an image".to_owned()));
    }
    Ismrmrd::opened(table, index, &header, encoded)
}

impl Ismrmrd {
    fn opened(table: Table, index: Index, header: &Header, encoded: [usize; 3]) -> Result<Opened, DataError> {
        let three_dimensional = encoded[2] > 1;
        // Echoes that are sampled in part have no field of view that could be cut.
        let partial = index.samples[0] < encoded[0];
        let needed = if partial && !three_dimensional { encoded[0] } else { header.needed(encoded[0]) };
        let readout = Readout::new(encoded[0], needed);
        let plane = if three_dimensional { [encoded[1], encoded[2]] } else { [encoded[1], needed] };
        let frames: Vec<_> = index.frames.into_iter().collect();
        let most = guard::grid_limit(table.file().length(), index.bytes);
        guard::bytes_of(table.file().path(), &[index.channels, plane[0], plane[1]], 8, most)?;
        let mut info = RawInfo::plain("ISMRMRD HDF5", [frames.len(), index.channels, plane[0], plane[1]]);
        info.matrix = if three_dimensional { plane } else { [encoded[1], encoded[0]] };
        describe(&mut info, &frames, (&index.noise, index.noise_samples), index.averages);
        explain(&mut info, encoded, needed, partial, index.skipped);
        let recon = header.recon.unwrap_or([needed, encoded[1], encoded[2]]);
        let wanted = if three_dimensional { [recon[1], recon[2]] } else { [recon[1], recon[0]] };
        info.recon_matrix = [wanted[0].min(plane[0]), wanted[1].min(plane[1])];
        let shape = [index.channels, plane[0], plane[1]];
        let slabs = three_dimensional.then(|| Slabs::new(Readout::new(encoded[0], needed), shape, most));
        info.slices = frames.len() * if three_dimensional { needed } else { 1 };
        let [noise_dwell, dwell] = index.dwell;
        let known = noise_dwell > 0.0 && dwell > 0.0;
        let kspace = Self {
            table,
            frames,
            noise: index.noise,
            variance_scale: if known { noise_dwell / dwell } else { 1.0 },
            channels: index.channels,
            encoded,
            readout,
            slabs,
        };
        Ok(Opened { shape: [info.slices, shape[0], shape[1], shape[2]], info, kspace: Box::new(kspace) })
    }

    /// The lines of a frame with their samples: each is handed over as the encoded readout, without what is discarded, read
    /// forward. Lines that were taken more often than others are brought to the same sum.
    fn lines(&self, frame: usize, take: TakeLine<'_>) -> Result<(), DataError> {
        let Some((_, lines)) = self.frames.get(frame) else { return Ok(()) };
        let counts = self.counts(lines);
        let most = counts.iter().copied().max().unwrap_or(1);
        let length = self.encoded[0];
        self.table.visit(lines.iter().map(|line| line.record), |n, acquisition, samples| {
            let Some(Line { steps: [row, col], .. }) = lines.get(n) else { return Ok(()) };
            let weight = f32::from(most) / f32::from(counts[[*row, *col]].max(1));
            for (coil, stored) in samples.chunks_exact(acquisition.samples).enumerate() {
                let mut line = placed(stored, acquisition, length);
                if most > 1 {
                    line.iter_mut().for_each(|value| *value *= weight);
                }
                take([coil, *row, *col], &mut line);
            }
            Ok(())
        })
    }

    /// How often each line was taken.
    fn counts(&self, lines: &[Line]) -> Array2<u16> {
        let mut counts = Array2::zeros((self.encoded[1], self.encoded[2]));
        for line in lines {
            if let Some(count) = counts.get_mut(line.steps) {
                *count = u16::saturating_add(*count, 1);
            }
        }
        counts
    }

    fn is_three_dimensional(&self) -> bool {
        self.slabs.is_some()
    }
}

/// The samples of a coil on a readout of `length`, its centre in the middle.
fn placed(stored: &[Complex32], acquisition: &Acquisition, length: usize) -> Vec<Complex32> {
    let end = stored.len().saturating_sub(acquisition.discard_post);
    let mut kept = stored.get(acquisition.discard_pre..end).unwrap_or_default().to_vec();
    let center = acquisition.center.saturating_sub(acquisition.discard_pre);
    let mut at = if kept.len() < length { (length / 2).saturating_sub(center) } else { 0 };
    at = at.min(length.saturating_sub(kept.len()));
    if acquisition.purpose == Purpose::Reversed {
        kept.reverse();
        at = length.saturating_sub(kept.len() + at);
    }
    let mut line = vec![Complex32::ZERO; length];
    line.iter_mut().skip(at).zip(kept).for_each(|(entry, value)| *entry = value);
    line
}

fn describe(info: &mut RawInfo, frames: &[(Frame, Vec<Line>)], noise: (&[usize], usize), averages: usize) {
    let repetitions: std::collections::BTreeSet<_> =
        frames.iter().map(|(frame, _)| frame.repetition).collect();
    info.repetitions = repetitions.len();
    info.averages = averages;
    info.noise = (!noise.0.is_empty()).then_some(noise.1);
    let [rows, cols] = info.matrix;
    let total = if info.three_dimensional { rows * cols } else { rows };
    let lines = frames.first().map_or(0, |(_, lines)| {
        lines.iter().map(|line| line.steps).collect::<std::collections::BTreeSet<_>>().len()
    });
    info.mask = Some(format!("{lines} of {total} lines of the first slice"));
}

fn explain(info: &mut RawInfo, encoded: [usize; 3], needed: usize, partial: bool, skipped: usize) {
    info.three_dimensional = encoded[2] > 1;
    info.phase_axis = if info.three_dimensional { PhaseAxis::Both } else { PhaseAxis::Rows };
    info.oversampling = encoded[0] as f32 / needed as f32;
    let mut plan = Vec::new();
    if info.three_dimensional {
        plan.push("the readout is transformed, and each position along it is a slice".to_owned());
    }
    if needed < encoded[0] {
        let all = encoded[0];
        plan.push(format!(
            "of {all} positions along the readout the middle {needed} are kept: the rest is oversampling"
        ));
    }
    if info.averages > 1 {
        plan.push(format!("{} averages are summed", info.averages));
    }
    if partial {
        info.warnings.push("echoes are sampled in part; what is missing is zero".to_owned());
    }
    if skipped > 0 {
        info.warnings.push(format!("{skipped} acquisitions are neither noise nor image and are not used"));
    }
    info.plan = plan;
}

impl Kspace for Ismrmrd {
    fn slice(&self, k: usize) -> Result<Array3<Complex32>, DataError> {
        if let Some(slabs) = &self.slabs {
            return slabs.slice(k, |frame, take| self.lines(frame, take));
        }
        let mut slice = Array3::zeros((self.channels, self.encoded[1], self.readout.kept()));
        self.lines(k, &mut |[coil, row, _], line| {
            self.readout.cropped(line);
            for (n, value) in line.iter().enumerate() {
                if let Some(entry) = slice.get_mut((coil, row, n)) {
                    *entry += *value;
                }
            }
        })?;
        Ok(slice)
    }

    fn mask(&self, k: usize) -> Result<Option<Array2<bool>>, DataError> {
        let frame = if self.is_three_dimensional() { k / self.readout.kept() } else { k };
        let Some((_, lines)) = self.frames.get(frame) else { return Ok(None) };
        let taken = self.counts(lines).mapv(|count| count > 0);
        if self.is_three_dimensional() {
            return Ok(Some(taken));
        }
        let rows = taken.column(0).to_owned();
        let shape = (self.encoded[1], self.readout.kept());
        Ok(Some(Array2::from_shape_fn(shape, |(row, _)| rows[row])))
    }

    fn noise(&self) -> Result<Option<NoiseScan>, DataError> {
        if self.noise.is_empty() {
            return Ok(None);
        }
        let mut coils: Vec<Vec<Complex32>> = vec![Vec::new(); self.channels];
        self.table.visit(self.noise.iter().copied(), |_, acquisition, samples| {
            if acquisition.channels != self.channels || acquisition.samples == 0 {
                let what =
                    format!("has noise of {} coils and images of {}", acquisition.channels, self.channels);
                return Err(self.table.refuse(what));
            }
            for (coil, stored) in coils.iter_mut().zip(samples.chunks_exact(acquisition.samples)) {
                coil.extend(stored);
            }
            Ok(())
        })?;
        let count = coils.first().map_or(0, Vec::len);
        let samples = Array2::from_shape_vec((self.channels, count), coils.concat())
            .map_err(|error| self.table.refuse(error.to_string()))?;
        if samples.iter().any(|value| !value.is_finite()) {
            return Err(self.table.refuse("has noise that is NaN or infinite".to_owned()));
        }
        Ok(Some(NoiseScan { samples, variance_scale: self.variance_scale }))
    }

    fn frame(&self, k: usize) -> Frame {
        let kept = if self.is_three_dimensional() { self.readout.kept() } else { 1 };
        let frame = self.frames.get(k / kept).map_or_else(Frame::default, |(frame, _)| *frame);
        if self.is_three_dimensional() { Frame { slice: k % kept, ..frame } } else { frame }
    }
}
