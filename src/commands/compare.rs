//! `recon compare`: how far two images are from each other.

use super::cli::values::not_negative;
use super::session::context;
use super::session::failure::Failure;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use ndarray::Array3;
use ndarray::Axis;
use recon_data::{Geometry, SURELY_HOUNSFIELD, Unit, Volume};
use recon_operators::{MetricPreset, compare};
use recon_pipelines::judge::{Quality, metric_values};
use recon_pipelines::task::arrays::wrong_shape;
use std::path::PathBuf;

/// Arguments of `recon compare`.
#[derive(Args, Debug)]
pub struct CompareArgs {
    /// The reference image.
    #[arg(value_name = "A")]
    pub reference: PathBuf,
    /// The image to compare with it.
    #[arg(value_name = "B")]
    pub result: PathBuf,
    /// The definitions of PSNR and SSIM.
    #[arg(long, value_enum, default_value_t = PresetName::Fastmri)]
    pub metric_preset: PresetName,
    /// Fail (exit code 1) when the largest absolute difference is above this.
    #[arg(long, value_name = "T", value_parser = not_negative)]
    pub tolerance: Option<f64>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// A definition of PSNR and SSIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// fastMRI: 7x7 uniform window, sample covariance, maximum of the reference volume.
    Fastmri,
    /// scikit-image: the same window, maximum minus minimum of the reference.
    Skimage,
    /// piq: the Gaussian window of Wang et al. 2004.
    Piq,
}

impl From<PresetName> for MetricPreset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Fastmri => Self::FastMri,
            PresetName::Skimage => Self::Skimage,
            PresetName::Piq => Self::Piq,
        }
    }
}

/// Runs `recon compare`.
///
/// # Errors
/// When an image cannot be read, the shapes differ or `--tolerance` is exceeded.
pub fn run(args: &CompareArgs) -> Result<()> {
    let (first, second) = (recon_data::read(&args.reference)?.volume, recon_data::read(&args.result)?.volume);
    if places_differ(&first, &second) {
        let paths = (args.reference.display(), args.result.display());
        context::warn(&format!(
            "{}, {}: position, direction or spacing of the voxels differ",
            paths.0, paths.1
        ));
    }
    let hounsfield = [&first, &second].into_iter().any(is_hounsfield);
    let unit = if hounsfield { Unit::Hounsfield } else { Unit::Arbitrary };
    let (reference, result) = (numbers(first, unit), numbers(second, unit));
    if reference.shape() != result.shape() {
        let wanted = format!("the shape of {}, {:?}", args.reference.display(), reference.shape());
        return Err(wrong_shape(&args.result, result.shape(), &wanted));
    }
    let metrics = compare(reference.view(), result.view(), args.metric_preset.into())
        .map_err(|error| Failure::Input(format!("{}: {error}", args.result.display())))?;
    let quality = Quality::from(metrics);
    context::print(&if args.json { serde_json::to_string(&quality)? } else { lines(&quality) })?;
    match args.tolerance {
        Some(tolerance) if quality.max_abs > tolerance => {
            bail!(
                "{}: differs by up to {:e}; allowed is {tolerance:e}",
                args.result.display(),
                quality.max_abs
            )
        }
        _ => Ok(()),
    }
}

/// Whether the numbers are Hounsfield units, by the file or by their smallest value.
fn is_hounsfield(volume: &Volume) -> bool {
    let lowest = volume.voxels.iter().copied().fold(f32::INFINITY, f32::min);
    volume.unit == Unit::Hounsfield || (volume.unit == Unit::Arbitrary && lowest < SURELY_HOUNSFIELD)
}

/// Hounsfield units are compared from air upwards, as in the sidecars; see [`metric_values`].
fn numbers(mut volume: Volume, unit: Unit) -> Array3<f32> {
    if unit == Unit::Hounsfield {
        for mut slice in volume.voxels.axis_iter_mut(Axis(0)) {
            let values = metric_values(&slice.to_owned(), unit);
            slice.assign(&values);
        }
    }
    volume.voxels
}

/// Whether voxels of the same index lie at other places; arrays have none.
fn places_differ(first: &Volume, second: &Volume) -> bool {
    let (a, b) = (&first.geometry, &second.geometry);
    let is_known = |geometry: &Geometry| *geometry != Geometry::default();
    let far =
        |a: &[f64; 3], b: &[f64; 3], tolerance: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > tolerance);
    let voxel = a.spacing_mm.iter().copied().fold(f64::INFINITY, f64::min);
    is_known(a)
        && is_known(b)
        && (far(&a.spacing_mm, &b.spacing_mm, 1e-2 * voxel)
            || far(&a.origin_mm, &b.origin_mm, 0.1 * voxel)
            || a.direction.iter().zip(&b.direction).any(|(a, b)| far(a, b, 1e-2)))
}

fn lines(quality: &Quality) -> String {
    let psnr = quality.psnr.map_or_else(|| "inf".to_owned(), |psnr| format!("{psnr:.4}"));
    format!(
        "PSNR {psnr} dB\nSSIM {:.6}\nNMSE {:.6e}\nmax  {:.6e}",
        quality.ssim, quality.nmse, quality.max_abs
    )
}
