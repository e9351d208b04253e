//! The centred orthonormal Fourier transform and the MRI operators made of it.

mod lines;
mod phase;
mod phased;
mod stacked;

pub use lines::LineFilter;
pub use phase::{low_resolution_phase, phase_misfit, phase_of};
pub use phased::PhasedFourier;
pub use stacked::StackedFourier;

use crate::{LinearOperator, Transform};
use ndarray::parallel::prelude::*;
use ndarray::{Array2, Array3, ArrayViewMut2, Axis};
use num_complex::Complex32;
use rustfft::{Fft, FftDirection, FftPlanner};
use std::sync::Arc;

/// Columns gathered at a time: a strip of eight complex values is a cache line.
const STRIP: usize = 8;
/// Images with fewer values are not worth the start of a second thread.
const PARALLEL: usize = 128 * 128;

/// The centred orthonormal two-dimensional Fourier transform
///
/// `(F x)[k, l] = (RC)^(−1/2) Σ_ij x[i, j] exp(−2πi ((k−k₀)(i−i₀)/R + (l−l₀)(j−j₀)/C))`
///
/// with the centres at index n/2 (rounded down) of every axis, on even and odd lengths alike; in NumPy
/// `fftshift(fft2(ifftshift(x), norm="ortho"))`. Axes (row, col). It is unitary, so the adjoint is the
/// inverse.
///
/// # Panics
/// When an array does not have the planned shape.
#[derive(Clone)]
pub struct Fourier {
    rows: usize,
    cols: usize,
    along_rows: Plan,
    along_columns: Plan,
}

#[derive(Clone)]
struct Plan {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

impl Plan {
    fn new(planner: &mut FftPlanner<f32>, length: usize) -> Self {
        let length = length.max(1);
        Self { forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
    }

    fn of(&self, direction: FftDirection) -> &dyn Fft<f32> {
        match direction {
            FftDirection::Forward => &*self.forward,
            FftDirection::Inverse => &*self.inverse,
        }
    }
}

impl Fourier {
    /// Plans the transform of `rows` × `cols` arrays.
    pub fn new(rows: usize, cols: usize) -> Self {
        let mut planner = FftPlanner::new();
        let along_rows = Plan::new(&mut planner, cols);
        let along_columns = Plan::new(&mut planner, rows);
        Self { rows, cols, along_rows, along_columns }
    }

    fn transform(&self, values: &Array2<Complex32>, direction: FftDirection) -> Array2<Complex32> {
        let mut out = values.as_standard_layout().into_owned();
        self.transform_in_place(out.view_mut(), direction);
        out
    }

    /// The transform of every array of a stack with axes (array, row, col), in place.
    pub(in crate::mri) fn transform_each(&self, stack: &mut Array3<Complex32>, direction: FftDirection) {
        stack.outer_iter_mut().for_each(|array| self.transform_in_place(array, direction));
    }

    /// Of an array in row-major order.
    fn transform_in_place(&self, mut out: ArrayViewMut2<Complex32>, direction: FftDirection) {
        assert_eq!(out.dim(), (self.rows, self.cols), "the array does not have the planned shape");
        if out.is_empty() {
            return;
        }
        let scale = 1.0 / ((self.rows * self.cols) as f32).sqrt();
        let (rows, columns) = (self.along_rows.of(direction), self.along_columns.of(direction));
        // A strip of the same width whatever the number of threads, so that the bits are the same too.
        if out.len() < PARALLEL {
            let mut scratch = Vec::new();
            out.outer_iter_mut().for_each(|mut row| {
                transform_row(rows, row.as_slice_mut().unwrap_or_default(), &mut scratch);
            });
            let mut buffers = (Vec::new(), Vec::new());
            out.axis_chunks_iter_mut(Axis(1), STRIP)
                .for_each(|strip| transform_strip(columns, strip, scale, &mut buffers));
        } else {
            out.outer_iter_mut().into_par_iter().for_each_init(Vec::new, |scratch, mut row| {
                transform_row(rows, row.as_slice_mut().unwrap_or_default(), scratch);
            });
            out.axis_chunks_iter_mut(Axis(1), STRIP).into_par_iter().for_each_init(
                || (Vec::new(), Vec::new()),
                |buffers, strip| transform_strip(columns, strip, scale, buffers),
            );
        }
    }
}

/// Between centred order and FFT order: `ifftshift` before, `fftshift` after.
fn transform_row(fft: &dyn Fft<f32>, row: &mut [Complex32], scratch: &mut Vec<Complex32>) {
    scratch.resize(fft.get_inplace_scratch_len(), Complex32::default());
    let half = row.len() / 2;
    row.rotate_left(half);
    fft.process_with_scratch(row, scratch);
    row.rotate_right(half);
}

fn transform_strip(
    fft: &dyn Fft<f32>,
    mut strip: ArrayViewMut2<Complex32>,
    scale: f32,
    (buffer, scratch): &mut (Vec<Complex32>, Vec<Complex32>),
) {
    let (length, width) = strip.dim();
    let half = length / 2;
    buffer.resize(length * width, Complex32::default());
    scratch.resize(fft.get_inplace_scratch_len(), Complex32::default());
    for (row, values) in strip.outer_iter().enumerate() {
        // ifftshift: the centre goes to the front
        let place = (row + length - half) % length;
        values.iter().enumerate().for_each(|(column, &value)| buffer[column * length + place] = value);
    }
    fft.process_with_scratch(buffer, scratch);
    for (row, mut values) in strip.outer_iter_mut().enumerate() {
        let place = (row + length - half) % length;
        values
            .iter_mut()
            .enumerate()
            .for_each(|(column, value)| *value = buffer[column * length + place] * scale);
    }
}

impl std::fmt::Debug for Fourier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fourier").field("rows", &self.rows).field("cols", &self.cols).finish()
    }
}

impl LinearOperator for Fourier {
    type Image = Array2<Complex32>;
    type Data = Array2<Complex32>;

    fn image_shape(&self) -> Vec<usize> {
        vec![self.rows, self.cols]
    }
    fn data_shape(&self) -> Vec<usize> {
        vec![self.rows, self.cols]
    }
    fn forward(&self, image: &Array2<Complex32>) -> Array2<Complex32> {
        self.transform(image, FftDirection::Forward)
    }
    fn adjoint(&self, data: &Array2<Complex32>) -> Array2<Complex32> {
        self.transform(data, FftDirection::Inverse)
    }
    fn normal(&self, image: &Array2<Complex32>) -> Array2<Complex32> {
        image.clone()
    }
}

impl Transform for Fourier {
    fn inverse(&self, data: &Array2<Complex32>) -> Array2<Complex32> {
        self.adjoint(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;
    use crate::testing::{dot_test, inverse_test, linearity_test, normal_test};
    use num_complex::Complex64;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// The definition, term by term in double precision.
    fn naive(x: &Array2<Complex32>) -> Array2<Complex32> {
        let (rows, cols) = x.dim();
        let centred = |k: usize, i: usize, n: usize| {
            (k as f64 - (n / 2) as f64) * (i as f64 - (n / 2) as f64) / n as f64
        };
        Array2::from_shape_fn((rows, cols), |(k, l)| {
            let mut sum = Complex64::default();
            for ((i, j), value) in x.indexed_iter() {
                let turns = centred(k, i, rows) + centred(l, j, cols);
                let wave = Complex64::cis(-2.0 * std::f64::consts::PI * turns);
                sum += wave * Complex64::new(value.re.into(), value.im.into());
            }
            let sum = sum / ((rows * cols) as f64).sqrt();
            Complex32::new(sum.re as f32, sum.im as f32)
        })
    }

    fn random(rows: usize, cols: usize) -> Array2<Complex32> {
        Field::randn(&[rows, cols], &mut ChaCha8Rng::seed_from_u64(1))
    }

    fn distance(a: &Array2<Complex32>, b: &Array2<Complex32>) -> f64 {
        let mut difference = a.clone();
        difference.add_scaled(-1.0, b);
        difference.norm() / b.norm()
    }

    #[test]
    fn an_empty_array_stays_empty() {
        assert_eq!(Fourier::new(0, 5).forward(&Array2::zeros((0, 5))).dim(), (0, 5));
    }

    #[test]
    fn transposed_memory_makes_no_difference() {
        let x = random(6, 11);
        let transposed = x.t().as_standard_layout().into_owned().reversed_axes();
        assert_eq!(Fourier::new(6, 11).forward(&x), Fourier::new(6, 11).forward(&transposed));
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let (x, fourier) = (random(131, 140), Fourier::new(131, 140));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fourier.forward(&x))
        };
        assert_eq!(run(1), run(2));
        assert!(inverse_test(&fourier) < 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_shape_agrees_with_the_definition(rows in 1_usize..14, cols in 1_usize..20) {
            let fourier = Fourier::new(rows, cols);
            let x = random(rows, cols);
            prop_assert!(distance(&fourier.forward(&x), &naive(&x)) < 1e-6);
            prop_assert!(inverse_test(&fourier) < 1e-6);
            prop_assert!(dot_test(&fourier) < 1e-6);
            prop_assert!(linearity_test(&fourier) < 1e-6);
            prop_assert!(normal_test(&fourier) < 1e-6);
        }
    }
}
