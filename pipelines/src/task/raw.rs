//! MRI from raw k-space of any number of coils.

use super::ct::array_position_um;
use super::images::no_such_slices;
use super::study::told;
use super::{CaseSeed, Frame, KspaceInput, MriSpec, Remarks, Slice, Study, Truth, Values, arrays, phase};
use crate::{PhaseAxisName, Refused, SliceSeed};
use anyhow::Result;
use ndarray::{Array2, Array3, Axis, s};
use num_complex::Complex32;
use recon_data::raw::{PhaseAxis, RawInfo, RawKspace, looks_raw};
use recon_data::{DataError, Geometry, Source, Unit};
use recon_operators::{
    EspiritSettings, Fourier, LinearOperator, Mask, NoiseCovariance, PhasedSense, Problem, Sense, Transform,
    calibration_block, espirit, low_resolution_maps,
};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Side of the largest block in the centre of k-space that coils are calibrated with, as in BART's `ecalib`.
const CALIBRATION: usize = 24;

/// MRI from raw k-space, slice by slice.
///
/// The sensitivities of the coils come from the fully sampled centre by ESPIRiT, and the phase of the image from the
/// combined coils, so that the unknown is a real image. Results are magnitudes, in the scale of the root sum of squares over
/// coils, and are cut to the matrix that the scanner would show.
pub struct RawMri {
    path: PathBuf,
    raw: RawKspace,
    slices: Range<usize>,
    /// What a file says was measured, of all slices alike.
    mask: Option<Mask>,
    /// What is kept of the measurement, where it is undersampled by simulation.
    kept: Option<Mask>,
    /// What a noise scan says.
    noise: Option<Noise>,
    /// What methods are told of the noise.
    noise_std: Option<f64>,
    seed: CaseSeed,
    truth: Truth,
    frame: Frame,
}

/// The noise of the coils, by a noise scan.
struct Noise {
    covariance: NoiseCovariance,
    /// The root of the mean noise energy of a coil: what whitened data are scaled by, so that they keep their scale.
    mean: f32,
    /// The standard deviation in the measurement, where it is told whitened and scaled.
    std: f64,
}

impl Noise {
    /// That of a file; none where it has no noise scan.
    fn of(path: &Path, raw: &RawKspace) -> Result<Option<Self>> {
        let Some(scan) = raw.noise()? else { return Ok(None) };
        let covariance = NoiseCovariance::of_samples(&scan.samples)
            .map_err(|error| unusable(path, "its noise scan", &error.into()))?;
        let energy = covariance.matrix().diag().iter().map(|value| value.re).sum::<f64>();
        let mean = (energy / covariance.matrix().nrows() as f64).sqrt();
        let std = mean * f64::from(scan.variance_scale).sqrt();
        Ok(Some(Self { covariance, mean: mean as f32, std }))
    }

    /// Data whose noise is the same in all coils and shared by none.
    fn whitened(&self, kspace: &Array3<Complex32>) -> Result<Array3<Complex32>> {
        Ok(self.covariance.whiten(kspace)? * Complex32::from(self.mean))
    }
}

/// What one slice shows: k-space (coil, row, col), which samples of a coil were measured, and the sensitivities.
struct Seen {
    kspace: Array3<Complex32>,
    mask: Mask,
    maps: Array3<Complex32>,
}

/// Opens a file of raw k-space of any format.
///
/// # Errors
/// As [`RawKspace::open`].
pub fn raw_kspace(path: &Path) -> Result<RawKspace, DataError> {
    if looks_raw(path) { RawKspace::open(path) } else { RawKspace::open_array(path) }
}

impl RawMri {
    /// Opens the k-space of a case, with what the user should know.
    ///
    /// # Errors
    /// When a file cannot be read, has another shape than the others or holds nothing.
    pub fn open(input: &KspaceInput, spec: &MriSpec, seed: CaseSeed) -> Result<(Self, Remarks)> {
        let path = &input.path;
        let raw = raw_kspace(path)?;
        let [count, _, rows, cols] = raw.shape();
        let slices = match input.slices {
            Some(range) => range.within(count).ok_or_else(|| no_such_slices(path, range, count))?,
            None => 0..count,
        };
        let axis = input.phase_axis.or(axis_name(raw.info().phase_axis));
        let mask = input.mask.as_ref().map(|file| arrays::mask(file, rows, cols, axis)).transpose()?;
        let kept = spec.sampling.as_ref().map(|sampling| sampling.mask(rows, cols, seed.seed)).transpose()?;
        let mut remarks = described(raw.info());
        if let (Some(sampling), Some(kept)) = (&spec.sampling, &kept) {
            remarks.note(format!("keeping {} of what was measured", sampling.describe(kept)));
        }
        let shape =
            [slices.len(), raw.info().recon_matrix[0].min(rows), raw.info().recon_matrix[1].min(cols)];
        let frame = Frame {
            shape,
            geometry: Geometry::default(),
            values: Values::As(Unit::Arbitrary),
            source: Source::Npy,
            keep_axis: count > 1,
        };
        // Of all that was measured, the combined coils are the image.
        let simulated = kept.is_some();
        let truth = Truth::new(input.reference.as_deref(), simulated, Unit::Arbitrary, shape, input.slices)?;
        let noise = Noise::of(path, &raw)?;
        if let (Some(noise), None) = (&noise, spec.noise_std) {
            remarks.note(format!(
                "noise of {:.3e} by the noise scan, with which the coils are whitened",
                noise.std
            ));
        }
        let noise_std = spec.noise_std.or(noise.as_ref().map(|noise| noise.std));
        let path = path.clone();
        Ok((Self { path, raw, slices, mask, kept, noise, noise_std, seed, truth, frame }, remarks))
    }

    /// What was measured of slice `k`, or what is `kept` of that.
    fn seen(&self, k: usize, kept: Option<&Mask>) -> Result<Seen> {
        let index = self.slices.start + k;
        let kspace = self.raw.slice(index)?;
        let measured = match (&self.mask, self.raw.mask(index)?) {
            (Some(mask), _) => mask.clone(),
            (None, Some(flags)) => Mask::new(flags.iter().copied().collect()),
            (None, None) => sampled(&kspace),
        };
        let mask = kept.map_or_else(|| measured.clone(), |kept| both(&measured, kept));
        if mask.count() == 0 {
            let message = format!(
                "{}: slice {index} holds no sample; choose others with --slices",
                self.path.display()
            );
            return Err(Refused::Input(message).into());
        }
        let kspace = if let Some(noise) = &self.noise { noise.whitened(&kspace)? } else { kspace };
        let kspace = mask.over_coils(kspace.len_of(Axis(0))).select(kspace);
        let maps = maps(&kspace, &mask);
        let maps = maps.map_err(|error| unusable(&self.path, &format!("slice {index}"), &error))?;
        Ok(Seen { kspace, mask, maps })
    }

    /// The middle of an image that is shown.
    fn shown(&self, image: &Array2<f32>) -> Array2<f32> {
        let [_, rows, cols] = self.frame.shape;
        let first = |length: usize, shown: usize| length / 2 - shown / 2;
        let (top, left) = (first(image.nrows(), rows), first(image.ncols(), cols));
        image.slice(s![top..top + rows, left..left + cols]).to_owned()
    }
}

impl Study for RawMri {
    type Transform = PhasedSense;

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn seed(&self, k: usize) -> SliceSeed {
        self.seed.slice(array_position_um(self.slices.start + k))
    }

    fn slice(&self, k: usize) -> Result<Slice<PhasedSense>> {
        let Seen { kspace, mask, maps } = self.seen(k, self.kept.as_ref())?;
        let combined = Sense::new(maps.clone())?.inverse(&kspace);
        let (rows, cols) = combined.dim();
        let phase = phase::of(&mask.select(Fourier::new(rows, cols).forward(&combined)), &mask)?;
        let coils = maps.len_of(Axis(0));
        let problem = Problem::new(PhasedSense::new(maps, Some(&phase))?, mask.over_coils(coils), kspace)?;
        Ok(Slice::Measured(told(problem, self.noise_std)))
    }

    fn image(&self, _k: usize, image: Array2<f32>) -> Result<Array2<f32>> {
        Ok(self.shown(&image.mapv_into(f32::abs)))
    }

    fn difference(&self, difference: Array2<f32>) -> Array2<f32> {
        self.shown(&difference)
    }

    /// The combined coils of everything that was measured, where it is undersampled by simulation.
    fn truth(&self, k: usize) -> Result<Option<Array2<f32>>> {
        if !matches!(self.truth, Truth::Measured) {
            return self.truth.slice(k, None);
        }
        let Seen { kspace, maps, .. } = self.seen(k, None)?;
        let image = Sense::new(maps)?.inverse(&kspace);
        Ok(Some(self.shown(&image.mapv(Complex32::norm))))
    }

    fn knows_truth(&self) -> bool {
        self.truth.is_known()
    }
}

/// The failure of what a file holds, with its name.
fn unusable(path: &Path, what: &str, error: &anyhow::Error) -> Refused {
    Refused::Input(format!("{}: {what} cannot be used: {error}", path.display()))
}

fn axis_name(axis: PhaseAxis) -> Option<PhaseAxisName> {
    match axis {
        PhaseAxis::Rows => Some(PhaseAxisName::Rows),
        PhaseAxis::Cols => Some(PhaseAxisName::Columns),
        PhaseAxis::Both => None,
    }
}

/// What a file holds, in a line.
fn described(info: &RawInfo) -> Remarks {
    let RawInfo { format, coils, matrix: [rows, cols], slices, .. } = info;
    let mut remarks = Remarks::warning(info.warnings.clone());
    let coils = if *coils == 1 { "a single coil".to_owned() } else { format!("{coils} coils") };
    remarks.note(format!("{format}, {slices} images of {rows} x {cols} samples, {coils}"));
    info.plan.iter().for_each(|line| remarks.note(line.clone()));
    remarks
}

/// The samples that are not zero in some coil.
fn sampled(kspace: &Array3<Complex32>) -> Mask {
    let energy = kspace.map_axis(Axis(0), |coils| coils.iter().map(Complex32::norm_sqr).sum::<f32>());
    Mask::new(energy.iter().map(|&energy| energy > 0.0).collect())
}

fn both(a: &Mask, b: &Mask) -> Mask {
    Mask::new(a.kept().iter().zip(b.kept()).map(|(&a, &b)| a && b).collect())
}

/// The sensitivities of coils, (coil, row, col): 1 for a single coil; by ESPIRiT where the sampled centre has twice the sides
/// of its kernels, below which their maps are noise; else from the images that the centre gives.
fn maps(kspace: &Array3<Complex32>, mask: &Mask) -> Result<Array3<Complex32>> {
    let (coils, rows, cols) = kspace.dim();
    if coils == 1 {
        return Ok(Array3::from_elem((1, rows, cols), Complex32::new(1.0, 0.0)));
    }
    let centre = calibration_block(kspace, mask, CALIBRATION)?;
    let settings = EspiritSettings::default();
    if centre.shape()[1..].iter().any(|&side| side < 2 * settings.kernel) {
        return Ok(low_resolution_maps(kspace, mask, CALIBRATION)?.maps);
    }
    Ok(espirit(&centre, (rows, cols), &settings)?.swap_remove(0).maps)
}
