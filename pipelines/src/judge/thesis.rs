//! How the dissertation of Song (Learning to Generate Data by Estimating Gradients of the Data Distribution, Stanford
//! 2022, chapter 8) prepares and judges images: as in the code published with it (score_inverse_problems), not as
//! anything else here does. For parity alone.

use super::Quality;
use anyhow::Result;
use ndarray::{Array2, Array3, ArrayView3, s};
use recon_operators::{MetricPreset, Metrics, compare_in_range};
use std::f64::consts::PI;

/// The values of a whole scan that become 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Levels {
    /// Becomes 0, and so does what lies below.
    pub low: f64,
    /// Becomes 1, and so does what lies above.
    pub high: f64,
}

/// MR values farther from the mean than this many standard deviations are clipped.
const OUTLIER: f64 = 6.0;

impl Levels {
    /// The least and the largest value: of CT scans, in 1/mm.
    pub fn extremes(volume: &ArrayView3<'_, f32>) -> Self {
        let values = || volume.iter().map(|&value| f64::from(value));
        Self { low: values().fold(f64::INFINITY, f64::min), high: values().fold(f64::NEG_INFINITY, f64::max) }
    }

    /// Of MR scans: mean ∓ 6 standard deviations, but not beyond what occurs, within the box around all voxels that are
    /// not the darkest. As published the last plane of the box on every axis is left out of these, where it has
    /// more than one.
    pub fn without_outliers(volume: &ArrayView3<'_, f32>) -> Self {
        let inside = bright_box(volume);
        let all = Self::extremes(&inside.view());
        let count = inside.len() as f64;
        let mean = inside.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let variance = inside.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count;
        let reach = OUTLIER * variance.sqrt();
        Self { low: all.low.max(mean - reach), high: all.high.min(mean + reach) }
    }

    /// The image in 8 bits: `⌊255 clip((x − low)/(high − low), 0, 1)⌋ / 255`.
    pub fn digitised(self, image: &Array2<f32>) -> Array2<f32> {
        image.mapv(|value| ((255.0 * self.share(f64::from(value))).floor() / 255.0) as f32)
    }

    /// From the image's unit to 0 … 1, clipped.
    pub fn shares(self, image: &Array2<f32>) -> Array2<f32> {
        image.mapv(|value| self.share(f64::from(value)) as f32)
    }

    /// From 0 … 1 back to the image's unit.
    pub fn values(self, shares: &Array2<f32>) -> Array2<f32> {
        shares.mapv(|share| (self.low + (self.high - self.low) * f64::from(share)) as f32)
    }

    fn share(self, value: f64) -> f64 {
        let span = self.high - self.low;
        // A scan of one value is black.
        if span > 0.0 { ((value - self.low) / span).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// The part of a volume around all its voxels above the least one, without its last planes.
fn bright_box(volume: &ArrayView3<'_, f32>) -> Array3<f32> {
    let least = volume.iter().copied().fold(f32::INFINITY, f32::min);
    let mut bounds = [(usize::MAX, 0); 3];
    for ((k, i, j), _) in volume.indexed_iter().filter(|(_, value)| **value > least) {
        for (bound, at) in bounds.iter_mut().zip([k, i, j]) {
            *bound = (bound.0.min(at), bound.1.max(at));
        }
    }
    if bounds[0].0 == usize::MAX {
        return volume.to_owned();
    }
    let [z, y, x] = bounds.map(|(first, last)| first..last.max(first + 1));
    volume.slice(s![z, y, x]).to_owned()
}

/// The angles, in radians, of `views` views chosen from `size` views equally spaced over [0, π): numbers
/// `round(k (size − 1)/(views − 1))`, so that the last one is next to the first, half a turn later.
pub fn views(size: usize, views: usize) -> Vec<f64> {
    let step = (size.max(1) - 1) as f64 / (views.max(2) - 1) as f64;
    (0..views).map(|view| (view as f64 * step).round_ties_even() * PI / size.max(1) as f64).collect()
}

/// PSNR, SSIM and NMSE of a result against the truth, both from 0 to 1: those of piq with a data range of 1, whatever
/// the image shows. `PSNR = −10 log₁₀(MSE + 10⁻⁸)`; SSIM over 11×11 Gaussian windows, at reduced size (averaged over
/// f×f pixels) where `f = round(shorter side/256)` exceeds 1.
///
/// # Errors
/// When the shapes differ, a value is not finite, or the image is smaller than the window.
pub fn assess(truth: &Array2<f32>, result: &Array2<f32>) -> Result<Quality> {
    let compare = |truth: &Array2<f32>, result: &Array2<f32>| -> Result<Metrics> {
        let stack = |image: &Array2<f32>| image.clone().insert_axis(ndarray::Axis(0));
        Ok(compare_in_range(stack(truth).view(), stack(result).view(), MetricPreset::Piq, 1.0)?)
    };
    let factor = (truth.nrows().min(truth.ncols()) as f64 / 256.0).round_ties_even() as usize;
    let whole = compare(truth, result)?;
    let ssim = match factor {
        0 | 1 => whole.ssim,
        _ => compare(&averaged(truth, factor), &averaged(result, factor))?.ssim,
    };
    let error = 10_f64.powf(-whole.psnr / 10.0);
    Ok(Quality { psnr: Some(-10.0 * (error + 1e-8).log10()), ssim, ..whole.into() })
}

/// Means over blocks of `factor` × `factor` pixels; what is left at the end of an axis is dropped.
fn averaged(image: &Array2<f32>, factor: usize) -> Array2<f32> {
    Array2::from_shape_fn((image.nrows() / factor, image.ncols() / factor), |(i, j)| {
        let (row, col) = (i * factor, j * factor);
        image.slice(s![row..row + factor, col..col + factor]).mean().unwrap_or(0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_views_end_next_to_the_first() {
        let degrees: Vec<f64> = views(320, 23).iter().map(|angle| angle.to_degrees()).collect();
        assert_eq!(degrees.len(), 23);
        // round(319/22) = round(14.5) = 14 of 320 steps of 0.5625 degrees.
        assert!((degrees[1] - 14.0 * 0.5625).abs() < 1e-9, "{degrees:?}");
        assert!((degrees[22] - 319.0 * 0.5625).abs() < 1e-9);
        assert_eq!(views(320, 1), [0.0]);
    }

    #[test]
    fn bright_spots_are_clipped_and_eight_bits_are_left() {
        let mut volume = Array3::zeros((4, 30, 30));
        volume
            .slice_mut(s![.., 5..25, 5..25])
            .assign(&Array3::from_shape_fn((4, 20, 20), |(_, i, j)| 1.0 + ((i + j) % 2) as f32));
        volume[[1, 10, 10]] = 100.0;
        let levels = Levels::without_outliers(&volume.view());
        // 3·19·19 values of 1 and 2, one of which is 100 instead.
        assert_eq!(levels.low, 1.0);
        assert!(levels.high > 10.0 && levels.high < 30.0, "{levels:?}");
        let levels = Levels { low: 1.0, high: 2.0 };
        let image = ndarray::array![[0.0, 1.5, 3.0]];
        assert_eq!(levels.digitised(&image), ndarray::array![[0.0, 127.0 / 255.0, 1.0]]);
        assert_eq!(levels.values(&levels.shares(&image)), ndarray::array![[1.0, 1.5, 2.0]]);
    }

    #[test]
    fn the_box_leaves_its_last_planes_out() {
        let mut volume = Array3::zeros((3, 6, 6));
        volume.slice_mut(s![0..3, 1..4, 2..5]).fill(1.0);
        volume[[2, 2, 3]] = 9.0;
        assert_eq!(Levels::without_outliers(&volume.view()), Levels { low: 1.0, high: 1.0 });
        // A single slice has no plane to spare.
        let single = volume.slice_move(s![2..3, .., ..]);
        assert_eq!(Levels::without_outliers(&single.view()).low, 1.0);
        let flat = Levels::without_outliers(&Array3::from_elem((1, 3, 3), 4.0).view());
        assert_eq!(flat.digitised(&Array2::from_elem((1, 1), 4.0)), ndarray::array![[0.0]]);
    }

    #[test]
    fn the_range_is_one_whatever_the_image_shows() {
        let truth = Array2::from_shape_fn((64, 64), |(i, j)| 0.2 + 0.2 * ((i * j) % 7) as f32 / 7.0);
        let result = truth.mapv(|value| value + 0.01);
        let quality = assess(&truth, &result).expect("comparable");
        assert!(quality.psnr.is_some_and(|psnr| (psnr - 40.0).abs() < 0.01), "{quality:?}");
        // Equal images have 80 dB, not infinitely many.
        let same = assess(&truth, &truth).expect("comparable");
        assert!(same.psnr.is_some_and(|psnr| (psnr - 80.0).abs() < 1e-9) && same.ssim > 0.999_999);
    }

    #[test]
    fn large_images_have_their_similarity_at_reduced_size() {
        // Noise of the finest grain vanishes in the mean of four pixels.
        let truth = Array2::from_elem((512, 512), 0.5);
        let checked = |side: usize| {
            Array2::from_shape_fn((side, side), |(i, j)| if (i + j) % 2 == 0 { 0.6 } else { 0.4 })
        };
        let large = assess(&truth, &checked(512)).expect("comparable");
        assert!((large.ssim - 1.0).abs() < 1e-6, "{large:?}");
        let small = assess(&Array2::from_elem((320, 320), 0.5), &checked(320)).expect("comparable");
        assert!(small.ssim < 0.5, "{small:?}");
    }
}
