//! Reconstruction of images that few wavelet coefficients describe.

use super::fista::{OnStep, Proximal, fista, scale, step_length};
use crate::{LinearOperator, Scalar, Wavelet};
use ndarray::{Array2, Zip, s};

/// How often the approximation is split at most.
const LEVELS: u32 = 4;
/// The image is shifted by these multiples of the number of the iteration, a different place on the wavelets'
/// grid each time; both are odd, so that `2^LEVELS` iterations visit every row and every column of the grid.
const SHIFTS: (usize, usize) = (5, 11);

/// The settings of [`fista_wavelet`].
#[derive(Clone, Debug, PartialEq)]
pub struct WaveletSettings {
    /// Weight of the absolute wavelet coefficients, without unit; 0.001 to 0.02 are common.
    pub weight: f32,
    /// Number of iterations.
    pub iterations: usize,
}

/// `min_x ½‖A x − y‖² + weight · L · s · ‖W x‖₁` by FISTA, W being [`Wavelet`] without its approximations.
///
/// L and s are those of [`fista_tv`](super::fista_tv), so the weight is the height, as a share of the image's
/// range, that one step takes off every detail. Images may be real or complex; of a complex coefficient the
/// modulus is lowered. The unknown is the padded image, of which A sees the inner part: W is orthonormal there
/// and the proximal map exact, and nothing is supposed about what lies beyond the border.
///
/// In every iteration the image stands elsewhere on the wavelets' grid, in a fixed order: cycle spinning
/// (Coifman and Donoho 1995; Kamilov, Bostan and Unser, IEEE Signal Process. Lett. 19, 2012), which averages the
/// blocks away that a single position leaves.
///
/// `on_step` is called with the number of finished iterations after each, and may end them.
pub fn fista_wavelet<S: Scalar, A: LinearOperator<Image = Array2<S>>>(
    op: &A,
    data: &A::Data,
    start: Array2<S>,
    settings: &WaveletSettings,
    on_step: OnStep<'_>,
) -> Array2<S> {
    let Some(step) = step_length(op) else { return start };
    let (rows, cols) = start.dim();
    let frame = Wavelet::fitting(rows, cols, LEVELS);
    let threshold = settings.weight * scale(op, data, &start, step);
    let mut prox = Shrink::new(&frame, threshold);
    let inner = Inner { op, frame };
    let found = fista(&inner, data, frame.pad(&start), (step, settings.iterations), &mut prox, on_step);
    frame.crop(&found)
}

/// `A` on the inner part of a padded image.
struct Inner<'a, A> {
    op: &'a A,
    frame: Wavelet,
}

impl<S: Scalar, A: LinearOperator<Image = Array2<S>>> LinearOperator for Inner<'_, A> {
    type Image = Array2<S>;
    type Data = A::Data;

    fn image_shape(&self) -> Vec<usize> {
        let (rows, cols) = self.frame.padded();
        vec![rows, cols]
    }
    fn data_shape(&self) -> Vec<usize> {
        self.op.data_shape()
    }
    fn forward(&self, image: &Array2<S>) -> A::Data {
        self.op.forward(&self.frame.crop(image))
    }
    fn adjoint(&self, data: &A::Data) -> Array2<S> {
        self.frame.pad(&self.op.adjoint(data))
    }
}

/// Soft-thresholding of the details of an image that moves over the wavelets' grid.
struct Shrink<S> {
    /// Over the padded image.
    wavelet: Wavelet,
    threshold: f32,
    iteration: usize,
    result: Array2<S>,
}

impl<S: Scalar> Shrink<S> {
    fn new(frame: &Wavelet, threshold: f32) -> Self {
        let (rows, cols) = frame.padded();
        let wavelet = Wavelet::new(rows, cols, frame.levels());
        Self { wavelet, threshold, iteration: 0, result: Array2::from_elem((rows, cols), S::ZERO) }
    }

    fn shift(&self) -> (usize, usize) {
        let block = 1 << self.wavelet.levels();
        (SHIFTS.0 * self.iteration % block, SHIFTS.1 * self.iteration % block)
    }
}

impl<S: Scalar> Proximal<S> for Shrink<S> {
    fn apply(&mut self, b: &Array2<S>) -> &Array2<S> {
        let (down, right) = self.shift();
        self.iteration += 1;
        let (rows, cols) = b.dim();
        let mut coefficients = self.wavelet.analyse(&rolled(b, down, right));
        shrink(&mut coefficients, self.wavelet.approximation(), self.threshold);
        let shifted = self.wavelet.synthesise(&coefficients);
        self.result = rolled(&shifted, (rows - down) % rows.max(1), (cols - right) % cols.max(1));
        &self.result
    }
}

/// `c ← c · max(0, 1 − threshold/|c|)` for the details: all but the `kept` approximations.
fn shrink<S: Scalar>(coefficients: &mut Array2<S>, kept: (usize, usize), threshold: f32) {
    let lowered = |value: S| {
        let modulus = value.widen().norm() as f32;
        if modulus > threshold { value.scaled(1.0 - threshold / modulus) } else { S::ZERO }
    };
    coefficients.slice_mut(s![kept.0.., ..]).mapv_inplace(lowered);
    coefficients.slice_mut(s![..kept.0, kept.1..]).mapv_inplace(lowered);
}

/// The image moved down and to the right; what leaves comes back on the other side.
fn rolled<S: Scalar>(image: &Array2<S>, down: usize, right: usize) -> Array2<S> {
    let (rows, cols) = image.dim();
    let mut moved = Array2::from_elem((rows, cols), S::ZERO);
    for (i, row) in image.outer_iter().enumerate() {
        let mut target = moved.row_mut((i + down) % rows);
        Zip::from(target.slice_mut(s![right..])).and(row.slice(s![..cols - right])).for_each(|t, &v| *t = v);
        Zip::from(target.slice_mut(s![..right])).and(row.slice(s![cols - right..])).for_each(|t, &v| *t = v);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Fourier, Mask, PhasedFourier, Problem, Sampling, SamplingPlan, Transform};
    use num_complex::Complex32;
    use std::ops::ControlFlow;

    fn body(rows: usize, cols: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| {
            let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
            f32::from(x.hypot(y) < 0.4) * (1.0 + 0.5 * x) + 0.5 * f32::from((x - 0.1).hypot(y) < 0.1)
        })
    }

    /// A third of k-space without the regular gaps whose ghosts are as sparse as the image.
    fn scattered(rows: usize, cols: usize) -> Mask {
        let plan = SamplingPlan { sampling: Sampling::Gaussian2d, ..SamplingPlan::equispaced(3.0) };
        plan.mask(rows, cols).unwrap()
    }

    fn settings(weight: f32, iterations: usize) -> WaveletSettings {
        WaveletSettings { weight, iterations }
    }

    fn objective<S: Scalar>(x: &Array2<S>, b: &Array2<S>, wavelet: Wavelet, threshold: f64) -> f64 {
        let mut misfit = x.clone();
        misfit.add_scaled(-1.0, b);
        let (rows, cols) = wavelet.approximation();
        let details = wavelet.analyse(x);
        let sum: f64 = details
            .indexed_iter()
            .filter(|((i, j), _)| *i >= rows || *j >= cols)
            .map(|(_, value)| value.widen().norm())
            .sum();
        0.5 * misfit.norm().powi(2) + threshold * sum
    }

    #[test]
    fn nothing_near_the_proximal_map_is_better() {
        let frame = Wavelet::new(16, 16, 1);
        let b = Array2::from_shape_fn((16, 16), |(i, j)| {
            Complex32::new(((i * 7 + j * 5) % 11) as f32 / 5.0, ((i + 3 * j) % 7) as f32 / 4.0)
        });
        let x = Shrink::new(&frame, 0.3).apply(&b).clone();
        let best = objective(&x, &b, frame, 0.3);
        assert!(best < objective(&b, &b, frame, 0.3));
        for n in 0..256 {
            for by in [Complex32::new(0.01, 0.0), Complex32::new(0.0, -0.01), Complex32::new(-0.01, 0.01)] {
                let mut other = x.clone();
                other[[n / 16, n % 16]] += by;
                assert!(objective(&other, &b, frame, 0.3) > best);
            }
        }
    }

    #[test]
    fn shifts_are_taken_back_and_visit_the_whole_grid() {
        let frame = Wavelet::new(32, 48, 2);
        let b = Array2::from_shape_fn((32, 48), |(i, j)| ((i * 7 + j * 5) % 11) as f32);
        let mut prox = Shrink::new(&frame, 0.0);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(prox.shift());
            assert!((prox.apply(&b) - &b).norm() < 1e-5 * b.norm());
        }
        let visited = |pick: fn(&(usize, usize)) -> usize| {
            let mut places: Vec<usize> = seen.iter().map(pick).collect();
            places.sort_unstable();
            places
        };
        assert_eq!((visited(|s| s.0), visited(|s| s.1)), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_third_of_k_space_is_enough_for_few_coefficients() {
        for (rows, cols) in [(64, 64), (50, 61)] {
            let truth = body(rows, cols);
            let transform = PhasedFourier::new(rows, cols, None);
            let mask = scattered(rows, cols);
            let measured = mask.select(transform.forward(&truth));
            let problem = Problem::new(transform, mask, measured).unwrap();
            let start = problem.transform.inverse(&problem.measured);
            let direct = (&start - &truth).norm();
            let found = fista_wavelet(&problem, &problem.measured, start, &settings(0.005, 100), &mut |_| {
                ControlFlow::Continue(())
            });
            let error = (&found - &truth).norm();
            assert!(error < 0.7 * direct, "{rows}x{cols}: {error}, directly {direct}");
        }
    }

    #[test]
    fn complex_images_are_reconstructed_too() {
        let (rows, cols) = (48, 40);
        let truth = Array2::from_shape_fn((rows, cols), |(i, j)| {
            body(rows, cols)[[i, j]] * Complex32::cis(0.05 * i as f32 - 0.03 * j as f32)
        });
        let transform = Fourier::new(rows, cols);
        let mask = scattered(rows, cols);
        let measured = mask.select(transform.forward(&truth));
        let problem = Problem::new(transform, mask, measured).unwrap();
        let start = problem.transform.inverse(&problem.measured);
        let direct = (&start - &truth).norm();
        let found = fista_wavelet(&problem, &problem.measured, start, &settings(0.005, 100), &mut |_| {
            ControlFlow::Continue(())
        });
        assert!((&found - &truth).norm() < 0.7 * direct);
    }

    #[test]
    fn without_weight_the_data_are_met_and_steps_are_reported() {
        let truth = body(20, 20);
        let transform = PhasedFourier::new(20, 20, None);
        let measured = transform.forward(&truth);
        let problem = Problem::new(transform, Mask::full(400), measured).unwrap();
        let mut steps = Vec::new();
        let zero = Array2::zeros((20, 20));
        let found = fista_wavelet(&problem, &problem.measured, zero, &settings(0.0, 40), &mut |n| {
            steps.push(n);
            ControlFlow::Continue(())
        });
        assert!((&found - &truth).norm() < 1e-3 * truth.norm());
        assert_eq!(steps, (1..=40).collect::<Vec<_>>());
    }

    #[test]
    fn intensity_only_scales_the_result() {
        let found = |factor: f32| {
            let transform = PhasedFourier::new(32, 32, None);
            let mask = SamplingPlan::equispaced(4.0).mask(32, 32).unwrap();
            let measured = mask.select(transform.forward(&body(32, 32).mapv(|v| v * factor)));
            let problem = Problem::new(transform, mask, measured).unwrap();
            let start = problem.transform.inverse(&problem.measured);
            fista_wavelet(&problem, &problem.measured, start, &settings(0.01, 20), &mut |_| {
                ControlFlow::Continue(())
            })
        };
        let (one, many) = (found(1.0), found(1000.0).mapv(|v| v / 1000.0));
        assert!((&one - &many).norm() < 1e-4 * one.norm());
    }
}
