//! The sidecar: everything needed to say what was done to a scan, and to do it again.

use crate::judge::Comparison;
use crate::{CaseSpec, Schema, SliceRecord};
use serde::Serialize;
use std::path::PathBuf;

/// A file that went into a result.
#[derive(Clone, Debug, Serialize)]
pub struct InputRecord {
    /// Where it was.
    #[serde(serialize_with = "crate::paths::one")]
    pub path: PathBuf,
    /// SHA-256 of its bytes; of a folder, that of the sorted list of its files' digests. Taken before the run.
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

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every slice is there.
    Complete,
    /// The user stopped it; the finished slices are there.
    Interrupted,
}

/// The JSON sidecar of a reconstruction.
#[derive(Clone, Debug, Serialize)]
pub struct Report<M> {
    /// Which version of this description it is.
    pub schema: Schema,
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Version of `recon`.
    pub version: String,
    /// Whether all slices are there.
    pub status: Status,
    /// What was done, with every default filled in: `recon run` does it again.
    pub case: CaseSpec<M>,
    /// What went in.
    pub inputs: Vec<InputRecord>,
    /// What came out.
    #[serde(serialize_with = "crate::paths::list")]
    pub outputs: Vec<PathBuf>,
    /// The score model, for methods that use one.
    pub model: Option<ModelRecord>,
    /// Where the networks ran, in words.
    pub device: String,
    /// Number of threads.
    pub threads: usize,
    /// Number of score-network calls (NFE) of all slices.
    pub nfe: usize,
    /// Wall time of this run from the first slice to the last, seconds.
    pub seconds: f64,
    /// How many slices an earlier run had finished.
    #[serde(skip_serializing_if = "is_zero")]
    pub resumed: usize,
    /// Largest resident memory of the process, bytes, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Root mean square over slices of `‖Λ(T x − y)‖ / ‖Λ y‖`; none when every slice was known.
    pub data_residual: Option<f64>,
    /// What was made of noise that is known, where pixels themselves were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denoising: Option<Denoising>,
    /// Against the reference, when one is known.
    pub metrics: Option<Comparison>,
    /// What to be careful about, in words.
    pub warnings: Vec<String>,
    /// What each slice took.
    pub slices: Vec<SliceRecord>,
    /// What the caller says besides.
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serialiser passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The noise of all slices and what was left of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Denoising {
    /// Root mean square over slices of the noise in what was measured, in the unit of the image: of repeats, in their
    /// average.
    pub noise_std: f64,
    /// By how much the mean variance of the posterior lies below that, dB, where the method knows it.
    pub expected_gain: Option<f64>,
}

impl Denoising {
    /// That of these slices; none where no noise is known.
    pub fn of(records: &[SliceRecord]) -> Option<Self> {
        let noise: Vec<f64> = records.iter().filter_map(|record| record.noise_std).map(|n| n * n).collect();
        let left = |record: &SliceRecord| {
            Some(record.noise_std?.powi(2) * 10_f64.powf(-0.1 * record.expected_gain?))
        };
        let left: Vec<f64> = records.iter().filter_map(left).collect();
        let sum = noise.iter().sum::<f64>();
        let gain = 10.0 * (sum / left.iter().sum::<f64>()).log10();
        (!noise.is_empty()).then(|| Self {
            noise_std: (sum / noise.len() as f64).sqrt(),
            expected_gain: (left.len() == noise.len()).then_some(gain),
        })
    }
}

/// Largest resident memory of this process so far, bytes (`VmHWM`; Linux only).
pub fn peak_memory_bytes() -> Option<u64> {
    memory("VmHWM:")
}

/// Resident memory of this process now, bytes (`VmRSS`; Linux only).
pub fn resident_memory_bytes() -> Option<u64> {
    memory("VmRSS:")
}

fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The root mean square of the slices' relative data residuals; none when every slice was known.
pub fn data_residual(records: &[SliceRecord]) -> Option<f64> {
    let squares: Vec<f64> = records.iter().filter_map(|record| record.data_residual).map(|r| r * r).collect();
    let mean = squares.iter().sum::<f64>() / squares.len() as f64;
    (!squares.is_empty()).then(|| mean.sqrt())
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_takes_some_memory() {
        assert!(super::peak_memory_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
