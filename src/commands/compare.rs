//! `recon compare`: how far two images are from each other.

use super::cli::values::not_negative;
use super::session::context;
use super::session::failure::Failure;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use ndarray::Array3;
use ndarray::Axis;
use recon_data::Unit;
use recon_operators::{MetricPreset, compare};
use recon_pipelines::judge::{Quality, metric_values};
use recon_pipelines::task::arrays::wrong_shape;
use std::path::{Path, PathBuf};

/// Arguments of `recon compare`.
#[derive(Args, Debug)]
pub struct CompareArgs {
    /// The reference.
    #[arg(value_name = "A")]
    pub reference: PathBuf,
    /// What is compared with it.
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
    let reference = numbers(&args.reference)?;
    let result = numbers(&args.result)?;
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

/// Hounsfield units are compared from air upwards, as in the sidecars; see [`metric_values`].
fn numbers(path: &Path) -> Result<Array3<f32>> {
    let mut volume = recon_data::read(path)?.volume;
    if volume.unit == Unit::Hounsfield {
        for mut slice in volume.voxels.axis_iter_mut(Axis(0)) {
            let values = metric_values(&slice.to_owned(), volume.unit);
            slice.assign(&values);
        }
    }
    Ok(volume.voxels)
}

fn lines(quality: &Quality) -> String {
    let psnr = quality.psnr.map_or_else(|| "inf".to_owned(), |psnr| format!("{psnr:.4}"));
    format!(
        "PSNR {psnr} dB\nSSIM {:.6}\nNMSE {:.6e}\nmax  {:.6e}",
        quality.ssim, quality.nmse, quality.max_abs
    )
}
