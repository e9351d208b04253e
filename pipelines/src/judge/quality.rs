//! PSNR, SSIM, NMSE and the largest error of a result, and of what it is compared with.

use super::Calibration;
use anyhow::Result;
use ndarray::{Array2, Axis};
use recon_data::{AIR_HOUNSFIELD, Unit};
use recon_operators::{MetricPreset, MetricSums, Metrics, compare_outside};
use serde::{Deserialize, Serialize};

/// PSNR (dB), SSIM, NMSE and the largest absolute error of one image against the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its name on the command line.
    pub name: String,
    /// What it reaches.
    #[serde(flatten)]
    pub quality: Quality,
}

/// The quality of a result and of the baselines from the same data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The definitions of PSNR and SSIM.
    pub preset: String,
    /// What the reconstruction reaches.
    pub result: Quality,
    /// What classical methods reach.
    pub baselines: Vec<Baseline>,
    /// What the spread of posterior samples is worth, when several were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// The numbers of an image as metrics see them: Hounsfield units shifted so that air is 0 and clipped
/// there, because attenuation cannot be negative and PSNR needs an origin; other units as they are.
pub fn metric_values(image: &Array2<f32>, unit: Unit) -> Array2<f32> {
    match unit {
        Unit::Hounsfield => image.mapv(|hu| (hu - AIR_HOUNSFIELD).max(0.0)),
        Unit::Attenuation | Unit::Arbitrary => image.clone(),
    }
}

/// Compares a result with the reference, slice after slice, as metrics see their numbers.
pub struct QualitySums {
    sums: MetricSums,
    unit: Unit,
}

impl QualitySums {
    /// Of nothing yet, for images in `unit` whose reference has `largest` for its largest value.
    pub fn new(largest: f32, unit: Unit) -> Self {
        let largest = metric_values(&Array2::from_elem((1, 1), largest), unit)[[0, 0]];
        Self { sums: MetricSums::new(MetricPreset::FastMri, f64::from(largest)), unit }
    }

    /// Adds a slice.
    ///
    /// # Errors
    /// When the shapes differ or a value is not finite.
    pub fn add(&mut self, truth: &Array2<f32>, result: &Array2<f32>) -> Result<()> {
        let (truth, result) = (metric_values(truth, self.unit), metric_values(result, self.unit));
        Ok(self.sums.add(truth.view(), result.view())?)
    }

    /// The quality of all slices.
    pub fn finish(&self) -> Quality {
        self.sums.finish().into()
    }
}

/// Compares an image with the truth outside the `hidden` pixels, such as metal; see [`compare_outside`].
///
/// # Errors
/// When the shapes differ, a value is not finite or nothing is left to see.
pub fn assess_outside(
    truth: &Array2<f32>,
    result: &Array2<f32>,
    hidden: &Array2<bool>,
    unit: Unit,
) -> Result<Quality> {
    let stack = |image: &Array2<f32>| metric_values(image, unit).insert_axis(Axis(0));
    let hidden = hidden.clone().insert_axis(Axis(0));
    Ok(compare_outside(stack(truth).view(), stack(result).view(), &hidden, MetricPreset::FastMri)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hounsfield_units_are_measured_from_air() {
        let image = Array2::from_shape_fn((9, 9), |(i, j)| -1040.0 + (i * j) as f32);
        let values = metric_values(&image, Unit::Hounsfield);
        assert_eq!((values[[0, 0]], values[[8, 8]]), (0.0, 24.0));
    }

    #[test]
    fn equal_images_have_no_psnr_to_print() {
        let image = Array2::from_shape_fn((9, 9), |(i, j)| (i * j) as f32);
        let mut sums = QualitySums::new(64.0, Unit::Arbitrary);
        sums.add(&image, &image).expect("one shape");
        let quality = sums.finish();
        assert_eq!((quality.psnr, quality.max_abs), (None, 0.0));
    }
}
