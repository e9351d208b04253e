//! fastMRI's HDF5 (Zbontar et al., arXiv:1811.08839): `kspace`, (slice, coil, row, col) or (slice, row, col), with `mask`,
//! `ismrmrd_header` and a reconstruction beside it.
//!
//! Rows are the readout and columns phase-encoding steps where the header agrees with the shape; files of others have it the
//! other way round, which the header, the mask or the missing lines tell.

use super::hdf5::Hdf5;
use super::readout::Readout;
use super::xml::Header;
use super::{Kspace, Opened, PhaseAxis, RawInfo, guard, pattern, sample};
use crate::DataError;
use hdf5_reader::{Dataset, SliceInfo, SliceInfoElem};
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix3};
use num_complex::Complex32;

/// Reconstructions that fastMRI ships, by the names of their data sets.
const REFERENCES: [&str; 2] = ["reconstruction_rss", "reconstruction_esc"];

struct FastMri {
    file: Hdf5,
    kspace: Dataset,
    reference: Option<Dataset>,
    mask: Option<Array2<bool>>,
    /// Axis of a slice along which the readout runs, and what is cut from it.
    readout: Option<(Axis, Readout)>,
}

/// Opens a file whose data set `kspace` is given.
pub(super) fn open(file: Hdf5, kspace: Dataset) -> Result<Opened, DataError> {
    let [slices, coils, rows, cols] = shape_of(&file, &kspace)?;
    let header = match file.dataset("ismrmrd_header")? {
        Some(dataset) => Header::parse(&file.text(&dataset)?),
        None => None,
    };
    let mut info = RawInfo::plain("fastMRI HDF5", [slices, coils, rows, cols]);
    let reference = find_reference(&file, slices, &mut info)?;
    let mask = find_mask(&file, [rows, cols])?;
    let along = header.as_ref().and_then(|header| readout_axis(header, [rows, cols], &mut info));
    let mut opened = FastMri { file, kspace, reference, mask: None, readout: None };
    info.phase_axis = match (&mask, along) {
        (Some((axis, _)), _) => *axis,
        (None, Some(Axis(1))) => PhaseAxis::Cols,
        (None, Some(_)) => PhaseAxis::Rows,
        (None, None) => pattern::phase_axis(&pattern::sampled(&opened.slice(0)?)).unwrap_or(PhaseAxis::Cols),
    };
    let scattered = info.phase_axis == PhaseAxis::Both;
    if let (Some(header), Some(axis), false) = (&header, along, scattered) {
        opened.readout = cut_readout(header, axis, &mut info);
    }
    let mut plane = [rows, cols];
    if let Some((axis, readout)) = &opened.readout {
        plane[axis.0 - 1] = readout.kept();
    }
    if let Some((axis, lines)) = mask {
        opened.mask = Some(if axis == PhaseAxis::Both {
            Array2::from_shape_vec((rows, cols), lines).unwrap_or_default()
        } else {
            pattern::of_lines(&lines, axis, plane)
        });
        info.mask = opened.mask.as_ref().map(|mask| described(mask, info.phase_axis));
    }
    info.recon_matrix = recon_matrix(&opened, header.as_ref(), along, plane);
    let shape = [slices, coils, plane[0], plane[1]];
    Ok(Opened { shape, info, kspace: Box::new(opened) })
}

/// Axis lengths (slice, coil, row, col), held against what the file can hold.
fn shape_of(file: &Hdf5, kspace: &Dataset) -> Result<[usize; 4], DataError> {
    let lengths: Vec<usize> =
        kspace.shape().iter().map(|&length| usize::try_from(length).unwrap_or(usize::MAX)).collect();
    let refuse = |what: String, advice: &str| Err(DataError::input(file.path(), what, advice));
    if !sample::is_complex(kspace.dtype()) {
        return refuse(
            "has a data set kspace that is not complex".to_owned(),
            "store it as complex64, (slice, coil, row, col)",
        );
    }
    let shape = match lengths[..] {
        [slices, rows, cols] => [slices, 1, rows, cols],
        [slices, coils, rows, cols] => [slices, coils, rows, cols],
        _ => {
            let what = format!("has k-space of {} axes", lengths.len());
            return refuse(what, "it is (slice, row, col) for one coil, (slice, coil, row, col) for several");
        }
    };
    guard::bytes_of(file.path(), &shape[1..], 8, guard::limit(file.length()))?;
    if shape[0] == 0 {
        return refuse("has no slices".to_owned(), "export the k-space again");
    }
    file.check_size(kspace)?;
    Ok(shape)
}

fn find_reference(file: &Hdf5, slices: usize, info: &mut RawInfo) -> Result<Option<Dataset>, DataError> {
    for name in REFERENCES {
        let Some(dataset) = file.dataset(name)? else { continue };
        file.check_size(&dataset)?;
        let [count, rows, cols] = dataset.shape()[..] else { continue };
        let plane = [rows, cols].map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        guard::bytes_of(file.path(), &plane, 8, guard::limit(file.length()))?;
        if count == slices as u64 {
            info.reference = Some(name.to_owned());
            return Ok(Some(dataset));
        }
        info.warnings.push(format!("{name} has {count} slices and k-space {slices}: it is not used"));
    }
    Ok(None)
}

/// The mask of the file and the axis along which it counts.
fn find_mask(file: &Hdf5, [rows, cols]: [usize; 2]) -> Result<Option<(PhaseAxis, Vec<bool>)>, DataError> {
    let Some(dataset) = file.dataset("mask")? else { return Ok(None) };
    file.check_size(&dataset)?;
    let values: Vec<bool> = file.numbers(&dataset)?.into_iter().map(|value| value != 0.0).collect();
    let axis = match values.len() {
        n if n == cols => PhaseAxis::Cols,
        n if n == rows => PhaseAxis::Rows,
        n if n == rows * cols => PhaseAxis::Both,
        n => {
            let what = format!("has a mask of {n} entries for slices of {rows} x {cols} samples");
            return Err(DataError::input(file.path(), what, "give the mask that belongs to this file"));
        }
    };
    Ok(Some((axis, values)))
}

/// The axis of a slice (coil, row, col) that the header calls the readout.
fn readout_axis(header: &Header, [rows, cols]: [usize; 2], info: &mut RawInfo) -> Option<Axis> {
    let [x, y, _] = header.encoded?;
    match (x, y) {
        (x, _) if x == rows => Some(Axis(1)),
        (x, _) if x == cols => Some(Axis(2)),
        _ => {
            info.warnings.push(format!(
                "the header describes {x} x {y} samples and k-space has {rows} x {cols}: nothing is cut from the readout"
            ));
            None
        }
    }
}

fn cut_readout(header: &Header, axis: Axis, info: &mut RawInfo) -> Option<(Axis, Readout)> {
    let length = info.matrix[axis.0 - 1];
    let readout = Readout::new(length, header.needed(length));
    if !readout.removes() {
        return None;
    }
    info.oversampling = length as f32 / readout.kept() as f32;
    let kept = readout.kept();
    info.plan.push(format!(
        "of {length} positions along the readout the middle {kept} are kept: the rest is oversampling"
    ));
    Some((axis, readout))
}

/// `32 of 368 columns`.
fn described(mask: &Array2<bool>, axis: PhaseAxis) -> String {
    let count = |line: ndarray::ArrayView1<'_, bool>| line.iter().filter(|&&taken| taken).count();
    match axis {
        PhaseAxis::Cols => format!("{} of {} columns", count(mask.row(0)), mask.ncols()),
        PhaseAxis::Rows => format!("{} of {} rows", count(mask.column(0)), mask.nrows()),
        PhaseAxis::Both => {
            format!("{} of {} samples", mask.iter().filter(|&&taken| taken).count(), mask.len())
        }
    }
}

fn recon_matrix(
    file: &FastMri,
    header: Option<&Header>,
    along: Option<Axis>,
    plane: [usize; 2],
) -> [usize; 2] {
    let wanted = match (header.and_then(|header| header.recon), along) {
        (Some([x, y, _]), Some(Axis(1))) => [x, y],
        (Some([x, y, _]), Some(_)) => [y, x],
        _ => match file.reference.as_ref().map(hdf5_reader::Dataset::shape) {
            Some([_, rows, cols]) => [*rows as usize, *cols as usize],
            _ => plane,
        },
    };
    [wanted[0].clamp(1, plane[0]), wanted[1].clamp(1, plane[1])]
}

impl FastMri {
    fn damaged(&self, error: &ndarray::ShapeError) -> DataError {
        DataError::input(self.file.path(), error.to_string(), "copy or download it again")
    }

    /// Slice `k` of a data set.
    fn part(dataset: &Dataset, k: usize) -> SliceInfo {
        let whole = SliceInfoElem::Slice { start: 0, end: u64::MAX, step: 1 };
        let mut selections = vec![SliceInfoElem::Index(k as u64)];
        selections.resize(dataset.ndim(), whole);
        SliceInfo { selections }
    }
}

impl Kspace for FastMri {
    fn slice(&self, k: usize) -> Result<Array3<Complex32>, DataError> {
        let mut stored: ArrayD<_> = self.file.samples(&self.kspace, &Self::part(&self.kspace, k))?;
        if stored.ndim() == 2 {
            stored.insert_axis_inplace(Axis(0));
        }
        let stored = stored.into_dimensionality::<Ix3>().map_err(|error| self.damaged(&error))?;
        let samples = stored.mapv(|sample| sample.0);
        Ok(match &self.readout {
            Some((axis, readout)) => readout.cropped_along(&samples, *axis),
            None => samples,
        })
    }

    fn mask(&self, _k: usize) -> Result<Option<Array2<bool>>, DataError> {
        Ok(self.mask.clone())
    }

    fn reference(&self, k: usize) -> Result<Option<Array2<f32>>, DataError> {
        let Some(dataset) = &self.reference else { return Ok(None) };
        let image = self.file.reals(dataset, &Self::part(dataset, k))?;
        image.into_dimensionality::<Ix2>().map(Some).map_err(|error| self.damaged(&error))
    }
}
