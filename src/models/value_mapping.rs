//! What the numbers of a model mean: how values of scans become them, and how they are shown.

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

/// The linear map between model values and those that are shown: Hounsfield units for CT, the model's own otherwise.
///
/// Unlike [`ValueMapping::model_values`], which makes training images of scans, it keeps every value and can be inverted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// What one model unit spans.
    pub scale: f64,
    /// What the model's 0 is.
    pub zero: f64,
}

impl Shown {
    /// The map of a model whose card has this mapping, or none.
    pub fn of(mapping: Option<ValueMapping>) -> Self {
        match mapping {
            Some(ValueMapping::Hounsfield { offset_hu, scale_hu, .. }) => {
                Self { scale: scale_hu, zero: -offset_hu }
            }
            Some(ValueMapping::Percentile { .. }) | None => Self { scale: 1.0, zero: 0.0 },
        }
    }

    /// From the model's to those shown.
    pub fn show(self, value: f32) -> f32 {
        (f64::from(value) * self.scale + self.zero) as f32
    }

    /// From those shown to the model's.
    pub fn model(self, value: f32) -> f32 {
        ((f64::from(value) - self.zero) / self.scale) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Manifest;

    #[test]
    fn hounsfield_units_are_shown_and_read_back() {
        let card: Manifest = toml::from_str(recon_data::weights::CT.manifest).unwrap();
        let shown = Shown::of(card.value);
        assert_eq!(shown.show(0.0), -1000.0);
        assert_eq!(shown.model(shown.show(0.625)), 0.625);
    }

    #[test]
    fn training_images_are_the_values_that_are_shown_within_the_range_of_scanners() {
        let card: Manifest = toml::from_str(recon_data::weights::CT.manifest).unwrap();
        let (mapping, shown) = (card.value.unwrap(), Shown::of(card.value));
        let given = [-1000.0, -24.0, 0.0, 1500.0, 3071.0, -3000.0, 9000.0];
        let found = mapping.model_values(Array3::from_shape_vec((1, 1, 7), given.to_vec()).unwrap()).unwrap();
        let expected = [-1000.0, -24.0, 0.0, 1500.0, 3071.0, -1000.0, 3071.0].map(|v| shown.model(v));
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
