//! What the numbers of a model mean.

use ndarray::Array3;
use recon_operators::{Rank, quantile};
use serde::{Deserialize, Serialize};

/// Hounsfield range that is kept.
const HU_RANGE: [f32; 2] = [-1000.0, 3071.0];

/// How a physical value becomes a model value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mapping", rename_all = "lowercase", deny_unknown_fields)]
pub enum ValueMapping {
    /// CT: `x = (HU + offset) / scale`, which is also `x = μ / unit_attenuation`.
    Hounsfield {
        /// Added to the Hounsfield number.
        offset_hu: f64,
        /// Hounsfield numbers that span one model unit.
        scale_hu: f64,
        /// The attenuation that is 1 in model units, 1/mm.
        unit_attenuation: f64,
    },
    /// MR: `x = image / s`, where `s` is this percentile of the positive voxels: of the whole volume in training and for
    /// likelihoods, of the slice in reconstruction, because a slice alone must give what it gives in its volume.
    Percentile {
        /// In percent, between 0 and 100.
        percentile: f64,
    },
}

impl ValueMapping {
    /// A volume (slice, row, col) from physical to model values, as networks are trained on them: Hounsfield units beyond
    /// −1000 to 3071 are moved there, negative magnitudes to 0. None where no voxel is positive and a percentile is needed.
    pub fn model_values(&self, mut voxels: Array3<f32>) -> Option<Array3<f32>> {
        match *self {
            Self::Hounsfield { offset_hu, scale_hu, .. } => {
                let [low, high] = HU_RANGE;
                voxels.mapv_inplace(|v| (v.clamp(low, high) + offset_hu as f32) / scale_hu as f32);
            }
            Self::Percentile { percentile } => {
                let mut positive: Vec<f32> = voxels.iter().copied().filter(|v| *v > 0.0).collect();
                let scale = quantile(&mut positive, percentile / 100.0, Rank::Linear)?;
                voxels.mapv_inplace(|v| v.max(0.0) / scale);
            }
        }
        Some(voxels)
    }

    /// What is wrong with its numbers, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let positive = |name: &str, v: f64| {
            (!(v.is_finite() && v > 0.0)).then(|| format!("{name} = {v} must be positive and finite"))
        };
        match *self {
            Self::Hounsfield { offset_hu, scale_hu, unit_attenuation } => positive("scale_hu", scale_hu)
                .or_else(|| positive("unit_attenuation", unit_attenuation))
                .or_else(|| (!offset_hu.is_finite()).then(|| "offset_hu must be finite".to_owned())),
            Self::Percentile { percentile } => (!(percentile > 0.0 && percentile <= 100.0))
                .then(|| format!("percentile = {percentile} must lie in (0, 100]")),
        }
    }
}
