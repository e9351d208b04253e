//! PSNR, SSIM and NMSE.

use crate::OperatorError;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, Zip, s};

/// Whose definition of the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricPreset {
    /// fastMRI's `evaluate.py`: data range = maximum of the reference volume, SSIM over 7×7 uniform windows
    /// with sample covariance, mean over slices.
    #[default]
    FastMri,
    /// scikit-image's `structural_similarity` as it comes: the same window, data range = maximum minus
    /// minimum of the reference volume.
    Skimage,
    /// piq's `ssim` without its downsampling: 11×11 Gaussian windows of σ = 1.5, population covariance, data
    /// range = maximum of the reference volume.
    Piq,
}

/// How close a result is to a reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Peak signal-to-noise ratio `10 log₁₀(range² / MSE)` of the volume in dB; infinite when equal.
    pub psnr: f64,
    /// Structural similarity, mean over all windows and slices, at most 1.
    pub ssim: f64,
    /// Normalised mean squared error `‖reference − result‖² / ‖reference‖²` (absolute for a zero reference).
    pub nmse: f64,
    /// Largest absolute difference.
    pub max_abs: f64,
}

/// Compares two volumes of axes (slice, row, col).
///
/// SSIM is that of Wang, Bovik, Sheikh and Simoncelli (IEEE Trans. Image Process. 13, 2004) with K₁ = 0.01
/// and K₂ = 0.03, over windows that lie wholly within the slice. A reference without a positive data range
/// (all zero, say) is measured with a range of 1. All sums are in double precision.
///
/// # Errors
/// When the shapes differ, an axis is empty, a value is not finite, or a slice is smaller than the window.
#[expect(clippy::needless_pass_by_value, reason = "a view is a borrow already")]
pub fn compare(
    reference: ArrayView3<f32>,
    result: ArrayView3<f32>,
    preset: MetricPreset,
) -> Result<Metrics, OperatorError> {
    let range = data_range(&reference, preset);
    compare_in_range(reference, result, preset, range)
}

/// Compares two volumes as [`compare`], with this data range instead of the preset's.
///
/// # Errors
/// As [`compare`].
#[expect(clippy::needless_pass_by_value, reason = "a view is a borrow already")]
pub fn compare_in_range(
    reference: ArrayView3<f32>,
    result: ArrayView3<f32>,
    preset: MetricPreset,
    range: f64,
) -> Result<Metrics, OperatorError> {
    let mut sums = MetricSums { window: Window::of(preset), range, ..MetricSums::new(preset, 1.0) };
    check(&reference, &result, sums.window.taps.len())?;
    let slices: Vec<f64> = reference
        .axis_iter(Axis(0))
        .into_par_iter()
        .zip(result.axis_iter(Axis(0)))
        .map(|(a, b)| sums.window.similarity(&a, &b, range))
        .collect();
    for ((a, b), similarity) in reference.axis_iter(Axis(0)).zip(result.axis_iter(Axis(0))).zip(slices) {
        sums.count(&a, &b, similarity);
    }
    Ok(sums.finish())
}

/// The comparison of two volumes as [`compare`] makes it, slice after slice, so that neither need be in memory.
pub struct MetricSums {
    window: Window,
    range: f64,
    squares: f64,
    energy: f64,
    max_abs: f64,
    similarity: f64,
    slices: usize,
    voxels: usize,
}

impl MetricSums {
    /// Of nothing yet; `range` is the data range of the whole reference, 1 where that is not positive.
    pub fn new(preset: MetricPreset, range: f64) -> Self {
        Self {
            window: Window::of(preset),
            range: if range > 0.0 { range } else { 1.0 },
            squares: 0.0,
            energy: 0.0,
            max_abs: 0.0,
            similarity: 0.0,
            slices: 0,
            voxels: 0,
        }
    }

    /// Adds a slice.
    ///
    /// # Errors
    /// As [`compare`].
    #[expect(clippy::needless_pass_by_value, reason = "a view is a borrow already")]
    pub fn add(
        &mut self,
        reference: ArrayView2<'_, f32>,
        result: ArrayView2<'_, f32>,
    ) -> Result<(), OperatorError> {
        let stacks = (reference.insert_axis(Axis(0)), result.insert_axis(Axis(0)));
        check(&stacks.0, &stacks.1, self.window.taps.len())?;
        let similarity = self.window.similarity(&reference, &result, self.range);
        self.count(&reference, &result, similarity);
        Ok(())
    }

    fn count(&mut self, reference: &ArrayView2<'_, f32>, result: &ArrayView2<'_, f32>, similarity: f64) {
        Zip::from(reference).and(result).for_each(|&a, &b| {
            let difference = f64::from(a) - f64::from(b);
            self.squares += difference * difference;
            self.energy += f64::from(a) * f64::from(a);
            self.max_abs = self.max_abs.max(difference.abs());
        });
        self.similarity += similarity;
        self.slices += 1;
        self.voxels += reference.len();
    }

    /// What comes of all slices.
    pub fn finish(&self) -> Metrics {
        Metrics {
            psnr: 10.0 * (self.range * self.range * self.voxels as f64 / self.squares).log10(),
            ssim: self.similarity / self.slices as f64,
            nmse: self.squares / if self.energy > 0.0 { self.energy } else { 1.0 },
            max_abs: self.max_abs,
        }
    }
}

/// Compares two volumes of axes (slice, row, col) outside the voxels that are `hidden`, such as metal.
///
/// As [`compare`] of the reference and the result with the hidden voxels of the reference in it, but with the sums of
/// PSNR and NMSE over the other voxels alone. The data range is that of the whole reference.
///
/// # Errors
/// As [`compare`], and when all voxels are hidden.
#[expect(clippy::needless_pass_by_value, reason = "a view is a borrow already")]
pub fn compare_outside(
    reference: ArrayView3<f32>,
    result: ArrayView3<f32>,
    hidden: &Array3<bool>,
    preset: MetricPreset,
) -> Result<Metrics, OperatorError> {
    if reference.dim() != hidden.dim() || reference.dim() != result.dim() {
        let (reference, result) = (reference.shape().to_vec(), hidden.shape().to_vec());
        return Err(OperatorError::ShapeMismatch { reference, result });
    }
    let seen = hidden.iter().filter(|hidden| !**hidden).count();
    if seen == 0 {
        let (_, rows, cols) = reference.dim();
        return Err(OperatorError::EmptyImage { rows, cols });
    }
    let restored =
        Zip::from(&reference).and(&result).and(hidden).map_collect(|&a, &b, &hide| if hide { a } else { b });
    let whole = compare(reference, restored.view(), preset)?;
    let square = |a: f32| f64::from(a) * f64::from(a);
    let (mut energy, mut outside) = (0.0, 0.0);
    Zip::from(&reference).and(hidden).for_each(|&a, &hide| {
        energy += square(a);
        outside += if hide { 0.0 } else { square(a) };
    });
    // Of sums over all voxels, of which the hidden ones are zero.
    let scale = |energy: f64| if energy > 0.0 { energy } else { 1.0 };
    Ok(Metrics {
        psnr: whole.psnr + 10.0 * (seen as f64 / reference.len() as f64).log10(),
        nmse: whole.nmse * scale(energy) / scale(outside),
        ..whole
    })
}

fn check(reference: &ArrayView3<f32>, result: &ArrayView3<f32>, window: usize) -> Result<(), OperatorError> {
    let (_, rows, cols) = reference.dim();
    if reference.dim() != result.dim() {
        let (reference, result) = (reference.shape().to_vec(), result.shape().to_vec());
        return Err(OperatorError::ShapeMismatch { reference, result });
    }
    if reference.is_empty() {
        return Err(OperatorError::EmptyImage { rows, cols });
    }
    for (what, array) in [("reference", reference), ("result", result)] {
        if !array.iter().all(|value| value.is_finite()) {
            return Err(OperatorError::NotFinite(what));
        }
    }
    if rows < window || cols < window {
        return Err(OperatorError::SmallerThanWindow { rows, cols, window });
    }
    Ok(())
}

fn data_range(reference: &ArrayView3<f32>, preset: MetricPreset) -> f64 {
    let max = reference.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let min = reference.iter().copied().fold(f32::INFINITY, f32::min);
    let range = match preset {
        MetricPreset::FastMri | MetricPreset::Piq => f64::from(max),
        MetricPreset::Skimage => f64::from(max) - f64::from(min),
    };
    if range > 0.0 { range } else { 1.0 }
}

/// A separable window whose weights sum to one, and what turns its variances into the preset's.
struct Window {
    taps: Vec<f64>,
    covariance_factor: f64,
}

impl Window {
    fn of(preset: MetricPreset) -> Self {
        match preset {
            MetricPreset::FastMri | MetricPreset::Skimage => {
                Self { taps: vec![1.0 / 7.0; 7], covariance_factor: 49.0 / 48.0 }
            }
            MetricPreset::Piq => {
                let weight = |n: i32| (-0.5 * (f64::from(n) / 1.5).powi(2)).exp();
                let sum: f64 = (-5..=5).map(weight).sum();
                Self { taps: (-5..=5).map(|n| weight(n) / sum).collect(), covariance_factor: 1.0 }
            }
        }
    }

    /// Mean of `(2 μa μb + c₁)(2 σab + c₂) / ((μa² + μb² + c₁)(σa² + σb² + c₂))` over all windows.
    fn similarity(&self, a: &ArrayView2<f32>, b: &ArrayView2<f32>, range: f64) -> f64 {
        let product = |x: &ArrayView2<f32>, y: &ArrayView2<f32>| {
            self.mean(&Zip::from(x).and(y).map_collect(|&x, &y| f64::from(x) * f64::from(y)))
        };
        let (mean_a, mean_b) = (self.mean(&a.mapv(f64::from)), self.mean(&b.mapv(f64::from)));
        let (aa, bb, ab) = (product(a, a), product(b, b), product(a, b));
        let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
        let mut sum = 0.0;
        Zip::from(&mean_a).and(&mean_b).and(&aa).and(&bb).and(&ab).for_each(|&ma, &mb, &aa, &bb, &ab| {
            let covariance = |product: f64, means: f64| self.covariance_factor * (product - means);
            let spread = covariance(aa, ma * ma) + covariance(bb, mb * mb);
            sum += (2.0 * ma * mb + c1) * (2.0 * covariance(ab, ma * mb) + c2)
                / ((ma * ma + mb * mb + c1) * (spread + c2));
        });
        sum / mean_a.len() as f64
    }

    /// Weighted means over all windows that lie within `values`.
    fn mean(&self, values: &Array2<f64>) -> Array2<f64> {
        let (rows, cols) = values.dim();
        let (rows, width) = (rows + 1 - self.taps.len(), cols + 1 - self.taps.len());
        let mut vertical = Array2::zeros((rows, cols));
        for (n, &tap) in self.taps.iter().enumerate() {
            vertical.scaled_add(tap, &values.slice(s![n..n + rows, ..]));
        }
        let mut means = Array2::zeros((rows, width));
        for (n, &tap) in self.taps.iter().enumerate() {
            means.scaled_add(tap, &vertical.slice(s![.., n..n + width]));
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn ramp() -> Array3<f32> {
        Array3::from_shape_fn((2, 12, 13), |(n, i, j)| (n + i * j) as f32 / 100.0)
    }

    #[test]
    fn equal_volumes_are_perfect() {
        let equal = compare(ramp().view(), ramp().view(), MetricPreset::FastMri).unwrap();
        assert_eq!((equal.psnr, equal.nmse, equal.max_abs), (f64::INFINITY, 0.0, 0.0));
        assert!((equal.ssim - 1.0).abs() < 1e-12);
        let zero = Array3::zeros((1, 11, 11));
        assert_eq!(compare(zero.view(), zero.view(), MetricPreset::Piq).unwrap().ssim, 1.0);
    }

    #[test]
    fn a_constant_error_has_a_closed_form() {
        let (a, b) = (Array3::from_elem((1, 7, 9), 2.0), Array3::from_elem((1, 7, 9), 2.5));
        let metrics = compare(a.view(), b.view(), MetricPreset::FastMri).unwrap();
        assert!((metrics.psnr - 20.0 * 4.0_f64.log10()).abs() < 1e-12);
        assert!((metrics.nmse - 0.0625).abs() < 1e-12);
        assert_eq!(metrics.max_abs, 0.5);
        let c1 = 0.02_f64.powi(2);
        assert!((metrics.ssim - (10.0 + c1) / (10.25 + c1)).abs() < 1e-9);
    }

    #[test]
    fn presets_differ_in_their_range() {
        let reference = ramp().mapv(|value| value + 1.0);
        let result = reference.mapv(|value| value * 1.01);
        let psnr = |preset| compare(reference.view(), result.view(), preset).unwrap().psnr;
        let (max, span) = (f64::from(1.0_f32 + 1.33), f64::from(1.33_f32));
        let expected = 20.0 * (max / span).log10();
        assert!((psnr(MetricPreset::FastMri) - psnr(MetricPreset::Skimage) - expected).abs() < 1e-5);
        assert_eq!(psnr(MetricPreset::FastMri), psnr(MetricPreset::Piq));
    }

    #[test]
    fn hidden_voxels_do_not_count() {
        let reference = ramp().mapv(|value| value + 1.0);
        let mut hidden = Array3::from_elem(reference.raw_dim(), false);
        hidden.slice_mut(s![.., 3..6, 4..9]).fill(true);
        let mut result = reference.mapv(|value| value + 0.1);
        let before =
            compare_outside(reference.view(), result.view(), &hidden, MetricPreset::FastMri).unwrap();
        Zip::from(&mut result).and(&hidden).for_each(|value, &hide| *value = if hide { 1e3 } else { *value });
        let after = compare_outside(reference.view(), result.view(), &hidden, MetricPreset::FastMri).unwrap();
        assert_eq!(before, after);
        // The error is 0.1 wherever it counts, however much is hidden.
        let range = f64::from(1.0_f32 + 1.33);
        assert!((after.psnr - 20.0 * (range / 0.1).log10()).abs() < 1e-4, "{after:?}");
        let seen = Zip::from(&reference).and(&hidden).fold((0.0, 0.0), |(n, sum), &a, &hide| {
            if hide { (n, sum) } else { (n + 1.0, sum + f64::from(a) * f64::from(a)) }
        });
        assert!((after.nmse - 0.01 * seen.0 / seen.1).abs() < 1e-6, "{after:?}");
        assert!((after.max_abs - 0.1).abs() < 1e-6);
        let nothing = Array3::from_elem(reference.raw_dim(), false);
        let whole = compare(reference.view(), result.view(), MetricPreset::FastMri).unwrap();
        let same = compare_outside(reference.view(), result.view(), &nothing, MetricPreset::FastMri).unwrap();
        assert_eq!(same, whole);
        let all = Array3::from_elem(reference.raw_dim(), true);
        assert!(compare_outside(reference.view(), result.view(), &all, MetricPreset::FastMri).is_err());
    }

    #[test]
    fn slices_one_by_one_are_the_volume() {
        let (reference, result) = (ramp(), ramp().mapv(|value| value * 1.01 + 0.1));
        for preset in [MetricPreset::FastMri, MetricPreset::Skimage, MetricPreset::Piq] {
            let whole = compare(reference.view(), result.view(), preset).unwrap();
            let mut sums = MetricSums::new(preset, data_range(&reference.view(), preset));
            for (a, b) in reference.outer_iter().zip(result.outer_iter()) {
                sums.add(a, b).unwrap();
            }
            assert_eq!(sums.finish(), whole);
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let small = Array3::zeros((1, 6, 20));
        assert!(compare(small.view(), small.view(), MetricPreset::FastMri).is_err());
        assert!(compare(ramp().view(), small.view(), MetricPreset::FastMri).is_err());
        let mut bad = ramp();
        bad[[1, 2, 3]] = f32::NAN;
        assert!(compare(ramp().view(), bad.view(), MetricPreset::FastMri).is_err());
        let none = Array3::zeros((0, 9, 9));
        assert!(compare(none.view(), none.view(), MetricPreset::FastMri).is_err());
    }
}
