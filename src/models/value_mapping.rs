//! What the numbers of a model mean.

use serde::{Deserialize, Serialize};

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
    /// MR: `x = image / s`, where `s` is this percentile of the positive voxels of the whole volume.
    Percentile {
        /// In percent, between 0 and 100.
        percentile: f64,
    },
}

impl ValueMapping {
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
