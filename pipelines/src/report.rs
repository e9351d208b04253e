//! The sidecar: everything needed to say what was done to a scan, and to do it again.

use crate::{Calibration, Reconstructed, SliceRecord};
use anyhow::Result;
use ndarray::Array3;
use recon_data::{Unit, Volume};
use recon_operators::{MetricPreset, Metrics, compare, compare_outside};
use serde::Serialize;
use std::path::PathBuf;

/// A file that went into a result.
#[derive(Clone, Debug, Serialize)]
pub struct InputRecord {
    /// Where it was.
    pub path: PathBuf,
    /// SHA-256 of its bytes; of a folder, that of the sorted list of its files' digests.
    pub sha256: String,
}

/// The score model behind a result.
#[derive(Clone, Debug, Serialize)]
pub struct ModelRecord {
    /// Name in its manifest.
    pub name: String,
    /// Version in its manifest.
    pub version: String,
    /// SHA-256 of its weights.
    pub sha256: String,
}

/// PSNR (dB), SSIM, NMSE and the largest absolute error of one image against the reference.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quality {
    /// Peak signal-to-noise ratio, dB; none when the images are equal.
    pub psnr: Option<f64>,
    /// Structural similarity.
    pub ssim: f64,
    /// `‖x − x̂‖² / ‖x‖²`
    pub nmse: f64,
    /// `max |x − x̂|`
    pub max_abs: f64,
}

impl From<Metrics> for Quality {
    fn from(metrics: Metrics) -> Self {
        let psnr = metrics.psnr.is_finite().then_some(metrics.psnr);
        Self { psnr, ssim: metrics.ssim, nmse: metrics.nmse, max_abs: metrics.max_abs }
    }
}

/// The quality of a classical method on the same data.
#[derive(Clone, Debug, Serialize)]
pub struct Baseline {
    /// Its name on the command line.
    pub name: String,
    /// What it reaches.
    #[serde(flatten)]
    pub quality: Quality,
}

/// The quality of a result and of the baselines from the same data.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Whose definitions of PSNR and SSIM.
    pub preset: &'static str,
    /// What the reconstruction reaches.
    pub result: Quality,
    /// What classical methods reach.
    pub baselines: Vec<Baseline>,
    /// What the spread of posterior samples is worth, when several were drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every slice is there.
    Complete,
    /// The user stopped it; the finished slices are there.
    Interrupted,
}

/// The JSON sidecar of a reconstruction. `P` is the plan of the command, with every default resolved.
#[derive(Clone, Debug, Serialize)]
pub struct Report<P> {
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Version of `recon`.
    pub version: &'static str,
    /// Whether all slices are there.
    pub status: Status,
    /// Seed of every random number.
    pub seed: u64,
    /// What was to be done, with every default resolved.
    pub plan: P,
    /// What went in.
    pub inputs: Vec<InputRecord>,
    /// What came out.
    pub outputs: Vec<PathBuf>,
    /// The score model, for methods that use one.
    pub model: Option<ModelRecord>,
    /// Where the networks ran, in words.
    pub device: String,
    /// Number of threads.
    pub threads: usize,
    /// Number of score-network calls (NFE) of all slices.
    pub nfe: usize,
    /// Wall time from reading to the last slice, seconds.
    pub seconds: f64,
    /// Largest resident memory of the process, bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Root mean square over slices of `‖Λ(T x − y)‖ / ‖Λ y‖`.
    pub data_residual: Option<f64>,
    /// Against the reference, when one is known.
    pub metrics: Option<Comparison>,
    /// What to be careful about, in words.
    pub warnings: Vec<String>,
    /// What each slice took.
    pub slices: Vec<SliceRecord>,
}

/// Largest resident memory of this process so far, bytes (`VmHWM`; Linux only).
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The numbers of a volume as metrics see them: Hounsfield units shifted so that air is 0 and clipped
/// there, because attenuation cannot be negative and PSNR needs an origin; other units as they are.
pub fn metric_values(volume: &Volume) -> Array3<f32> {
    match volume.unit {
        Unit::Hounsfield => volume.voxels.mapv(|hu| (hu + 1000.0).max(0.0)),
        Unit::Attenuation | Unit::Arbitrary => volume.voxels.clone(),
    }
}

/// Compares a result, and what the named baselines found, with the reference.
///
/// # Errors
/// When the shapes differ or a value is not finite.
pub fn assess(reference: &Volume, result: &Volume, baselines: &[(&str, &Volume)]) -> Result<Comparison> {
    let truth = metric_values(reference);
    let quality = |volume: &Volume| -> Result<Quality> {
        Ok(compare(truth.view(), metric_values(volume).view(), MetricPreset::FastMri)?.into())
    };
    Ok(Comparison {
        preset: "fastmri",
        result: quality(result)?,
        baselines: baselines
            .iter()
            .map(|(name, volume)| Ok(Baseline { name: (*name).to_owned(), quality: quality(volume)? }))
            .collect::<Result<_>>()?,
        calibration: None,
    })
}

/// Compares a result with the reference outside the `hidden` voxels, such as metal; see [`compare_outside`].
///
/// # Errors
/// When the shapes differ or a value is not finite.
pub fn assess_outside(reference: &Volume, result: &Volume, hidden: &Array3<bool>) -> Result<Quality> {
    let (truth, result) = (metric_values(reference), metric_values(result));
    Ok(compare_outside(truth.view(), result.view(), hidden, MetricPreset::FastMri)?.into())
}

impl<P> Report<P> {
    /// Fills in what the slices took.
    pub fn record(&mut self, reconstructed: &Reconstructed) {
        self.status = if reconstructed.interrupted { Status::Interrupted } else { Status::Complete };
        self.nfe = reconstructed.network_calls();
        self.data_residual = reconstructed.data_residual();
        self.slices.clone_from(&reconstructed.records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use recon_data::Geometry;

    fn volume(value: f32, unit: Unit) -> Volume {
        let voxels = Array3::from_shape_fn((1, 9, 9), |(_, i, j)| value + (i * j) as f32);
        Volume { voxels, geometry: Geometry::default(), unit }
    }

    #[test]
    fn hounsfield_units_are_measured_from_air() {
        let values = metric_values(&volume(-1040.0, Unit::Hounsfield));
        assert_eq!(values[[0, 0, 0]], 0.0);
        assert_eq!(values[[0, 8, 8]], 24.0);
    }

    #[test]
    fn equal_images_have_no_psnr_to_print() {
        let image = volume(0.0, Unit::Arbitrary);
        let comparison = assess(&image, &image, &[("fbp", &image)]).expect("shapes agree");
        assert_eq!(comparison.result.psnr, None);
        assert_eq!(comparison.result.max_abs, 0.0);
        assert_eq!(comparison.baselines[0].name, "fbp");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_takes_some_memory() {
        assert!(peak_memory_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
