//! Lines of k-space along columns, of real images.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayViewMut2, Axis};
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Images with fewer values are not worth the start of a second thread.
const PARALLEL: usize = 128 * 128;

/// What weights on the lines of k-space do to a real image: `F⁻¹ W F x`, row by row.
///
/// Where whole lines are left out along columns, the transform along rows cancels, so that every row is measured by
/// itself. A line and its mirror image must have the same weight; real images then stay real. Weights are ordered as
/// lines are, frequency zero at index n/2. Axes (row, col).
///
/// # Panics
/// When an image or the weights have another number of columns than planned.
#[derive(Clone)]
pub struct LineFilter {
    columns: usize,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

impl LineFilter {
    /// Plans for images of so many `columns`.
    pub fn new(columns: usize) -> Self {
        let (mut planner, length) = (FftPlanner::new(), columns.max(1));
        Self { columns, forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
    }

    /// `F⁻¹ W F x`; the same bits for any number of threads.
    pub fn weighted(&self, image: &Array2<f32>, weights: &[f32]) -> Array2<f32> {
        assert_eq!(image.ncols(), self.columns, "the image does not have the planned columns");
        assert_eq!(weights.len(), self.columns, "there is no weight for every line");
        // In the order of the transform, with the 1/n of its inverse.
        let half = self.columns / 2;
        let mut ordered: Vec<f32> = weights.iter().map(|weight| weight / self.columns as f32).collect();
        ordered.rotate_left(half);
        let mut result = image.as_standard_layout().into_owned();
        if result.is_empty() {
            return result;
        }
        let memory = || (vec![Complex32::default(); self.columns], Vec::new());
        if result.len() < PARALLEL {
            let mut memory = memory();
            result.axis_chunks_iter_mut(Axis(0), 2).for_each(|pair| self.pair(pair, &ordered, &mut memory));
        } else {
            result
                .axis_chunks_iter_mut(Axis(0), 2)
                .into_par_iter()
                .for_each_init(memory, |memory, pair| self.pair(pair, &ordered, memory));
        }
        result
    }

    /// The image with the lines outside of `mask`, which mirrors itself, set to zero.
    pub fn keep(&self, image: &Array2<f32>, mask: &[bool]) -> Array2<f32> {
        let weights: Vec<f32> = mask.iter().map(|&kept| f32::from(u8::from(kept))).collect();
        self.weighted(image, &weights)
    }

    /// Two rows at once, as real and imaginary part: weights that mirror themselves do not mix the two.
    fn pair(
        &self,
        mut rows: ArrayViewMut2<f32>,
        ordered: &[f32],
        (values, scratch): &mut (Vec<Complex32>, Vec<Complex32>),
    ) {
        let second = rows.nrows() - 1;
        for (column, value) in values.iter_mut().enumerate() {
            let imaginary = if second == 1 { rows[[1, column]] } else { 0.0 };
            *value = Complex32::new(rows[[0, column]], imaginary);
        }
        for (fft, weights) in [(&self.forward, Some(ordered)), (&self.inverse, None)] {
            scratch.resize(fft.get_inplace_scratch_len(), Complex32::default());
            fft.process_with_scratch(values, scratch);
            for (value, weight) in values.iter_mut().zip(weights.unwrap_or_default()) {
                *value *= *weight;
            }
        }
        for (column, value) in values.iter().enumerate() {
            rows[[0, column]] = value.re;
            if second == 1 {
                rows[[1, column]] = value.im;
            }
        }
    }
}

impl std::fmt::Debug for LineFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineFilter").field("columns", &self.columns).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mri::masks::mirrored_lines;
    use crate::{Field, LinearOperator, Mask, PhasedFourier, SamplingPlan, Transform};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn image(rows: usize, cols: usize) -> Array2<f32> {
        Field::randn(&[rows, cols], &mut ChaCha8Rng::seed_from_u64(5))
    }

    #[test]
    fn keeping_lines_is_the_masked_transform() {
        for (rows, cols) in [(5, 32), (4, 45), (131, 140)] {
            let mask = SamplingPlan::equispaced(4.0).mask(1, cols).expect("possible");
            let lines = mirrored_lines(mask.kept());
            let (x, fourier) = (image(rows, cols), PhasedFourier::new(rows, cols, None));
            let expected = fourier.inverse(&Mask::columns(rows, &lines).select(fourier.forward(&x)));
            let mut found = LineFilter::new(cols).keep(&x, &lines);
            found.add_scaled(-1.0, &expected);
            assert!(found.norm() < 1e-6 * x.norm(), "{rows} x {cols}");
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (x, filter) = (image(131, 140), LineFilter::new(140));
        let lines = mirrored_lines(SamplingPlan::equispaced(4.0).mask(1, 140).expect("possible").kept());
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| filter.keep(&x, &lines))
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn empty_images_stay_empty() {
        assert_eq!(LineFilter::new(0).weighted(&Array2::zeros((3, 0)), &[]).dim(), (3, 0));
        assert_eq!(LineFilter::new(4).weighted(&Array2::zeros((0, 4)), &[1.0; 4]).dim(), (0, 4));
    }
}
