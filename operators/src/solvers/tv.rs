//! Total-variation reconstruction.

use super::TvProx;
use super::fista::{OnStep, Proximal, fista, scale, step_length};
use crate::{LinearOperator, Scalar};
use ndarray::Array2;

/// Dual steps of the proximal map per iteration; it is warm-started, so few are enough.
const PROX_STEPS: usize = 10;

/// The settings of [`fista_tv`].
#[derive(Clone, Debug, PartialEq)]
pub struct TvSettings {
    /// Weight of the total variation, without unit; 0.0003 to 0.01 are common.
    pub weight: f32,
    /// Number of iterations.
    pub iterations: usize,
    /// Whether values below zero are excluded.
    pub nonnegative: bool,
}

/// `min_x ½‖A x − y‖² + weight · L · s · TV(x)` by FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2, 2009),
/// restarted when the momentum points uphill (O'Donoghue and Candès, Found. Comput. Math. 15, 2015).
///
/// `L = (1.05 ‖A‖)²` with the norm of 20 power iterations, and s is the 99th percentile of |start|, or of
/// `|Aᴴ y|/L` when the start is zero. TV is isotropic with unit pixel distance. Dividing by L shows that
/// every step is a gradient step of length 1/L followed by the proximal map of `weight · s · TV`: the weight
/// is the height, as a share of the image's range, of what one step may flatten, whatever the intensity,
/// the spacing and the number of measurements.
///
/// Images may be real or complex; of complex ones the moduli of differences are summed, and none is excluded.
///
/// `on_step` is called with the number of finished iterations after each, and may end them.
pub fn fista_tv<S: Scalar, A: LinearOperator<Image = Array2<S>>>(
    op: &A,
    data: &A::Data,
    start: Array2<S>,
    settings: &TvSettings,
    on_step: OnStep<'_>,
) -> Array2<S> {
    let Some(step) = step_length(op) else { return start };
    let (rows, cols) = start.dim();
    let weight = settings.weight * scale(op, data, &start, step);
    let mut prox = Weighted { prox: TvProx::new(rows, cols, settings.nonnegative), weight };
    fista(op, data, start, (step, settings.iterations), &mut prox, on_step)
}

/// A few warm-started steps towards the proximal map of `weight · TV`.
struct Weighted<S> {
    prox: TvProx<S>,
    weight: f32,
}

impl<S: Scalar> Proximal<S> for Weighted<S> {
    fn apply(&mut self, b: &Array2<S>) -> &Array2<S> {
        self.prox.apply(b, self.weight, PROX_STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Filter, Mask, ParallelBeam, PhasedFourier, Problem, Radon, SamplingPlan, Transform};
    use std::ops::ControlFlow;

    fn disc(n: usize) -> Array2<f32> {
        Array2::from_shape_fn((n, n), |(i, j)| {
            let (y, x) = (i as f32 - n as f32 / 2.0, j as f32 - n as f32 / 2.0);
            let inside = |cx: f32, cy: f32, r: f32| f32::from((x - cx).hypot(y - cy) < r * n as f32);
            0.02 * inside(0.0, 0.0, 0.42) + 0.01 * inside(5.0, -4.0, 0.12)
        })
    }

    fn error(x: &Array2<f32>, truth: &Array2<f32>) -> f64 {
        (x - truth).norm() / truth.norm()
    }

    fn reconstruct<T: Transform<Image = Array2<f32>>>(problem: &Problem<T>, weight: f32) -> Array2<f32> {
        let settings = TvSettings { weight, iterations: 150, nonnegative: true };
        let start = problem.transform.inverse(&problem.measured);
        fista_tv(problem, &problem.measured, start, &settings, &mut |_| ControlFlow::Continue(()))
    }

    #[test]
    fn few_views_of_a_piecewise_constant_image_are_enough() {
        let truth = disc(48);
        for (views, spacing) in [(12, 1.0), (12, 0.4), (24, 1.0)] {
            let geometry = ParallelBeam::equally_spaced(48, 48, spacing, views);
            let transform = Radon::new(geometry, Filter::Ramp).unwrap();
            let measured = transform.forward(&truth);
            let problem = Problem::new(transform, Mask::full(measured.len()), measured).unwrap();
            let direct = error(&problem.transform.inverse(&problem.measured), &truth);
            let tv = error(&reconstruct(&problem, 0.001), &truth);
            assert!(tv < 0.5 * direct && tv < 0.1, "{views} views at {spacing} mm: {tv}, directly {direct}");
        }
    }

    #[test]
    fn a_quarter_of_k_space_is_enough_too() {
        let truth = disc(48);
        let transform = PhasedFourier::new(48, 48, None);
        let mask = SamplingPlan { offset: Some(1), ..SamplingPlan::equispaced(3.0) }.mask(48, 48).unwrap();
        let measured = mask.select(transform.forward(&truth));
        let problem = Problem::new(transform, mask, measured).unwrap();
        let direct = error(&problem.transform.inverse(&problem.measured), &truth);
        let tv = error(&reconstruct(&problem, 0.002), &truth);
        assert!(tv < 0.5 * direct, "{tv}, directly {direct}");
    }

    #[test]
    fn complex_images_are_reconstructed_too() {
        let phase = |(i, j): (usize, usize)| num_complex::Complex32::cis(0.05 * i as f32 - 0.03 * j as f32);
        let truth = Array2::from_shape_fn((48, 48), |at| disc(48)[at] * phase(at));
        let transform = crate::Fourier::new(48, 48);
        let mask = SamplingPlan { offset: Some(1), ..SamplingPlan::equispaced(3.0) }.mask(48, 48).unwrap();
        let measured = mask.select(transform.forward(&truth));
        let problem = Problem::new(transform, mask, measured).unwrap();
        let start = problem.transform.inverse(&problem.measured);
        let direct = (&start - &truth).norm();
        let settings = TvSettings { weight: 0.002, iterations: 150, nonnegative: true };
        let found =
            fista_tv(&problem, &problem.measured, start, &settings, &mut |_| ControlFlow::Continue(()));
        let error = (&found - &truth).norm();
        assert!(error < 0.6 * direct, "{error}, directly {direct}");
    }

    #[test]
    fn intensity_only_scales_the_result() {
        let problem = |factor: f32| {
            let transform = Radon::new(ParallelBeam::equally_spaced(20, 20, 1.0, 7), Filter::Ramp).unwrap();
            let measured = transform.forward(&disc(20).mapv(|value| value * factor));
            Problem::new(transform, Mask::full(measured.len()), measured).unwrap()
        };
        let (one, many) = (reconstruct(&problem(1.0), 0.01), reconstruct(&problem(1000.0), 0.01));
        assert!(error(&many.mapv(|value| value / 1000.0), &one) < 1e-4);
    }

    #[test]
    fn every_step_is_reported() {
        let transform = PhasedFourier::new(8, 8, None);
        let data = transform.forward(&disc(8));
        let mut steps = Vec::new();
        let settings = TvSettings { weight: 0.01, iterations: 3, nonnegative: false };
        fista_tv(&transform, &data, Array2::zeros((8, 8)), &settings, &mut |n| {
            steps.push(n);
            ControlFlow::Continue(())
        });
        assert_eq!(steps, [1, 2, 3]);
    }

    #[test]
    fn a_step_may_be_the_last() {
        let transform = PhasedFourier::new(8, 8, None);
        let data = transform.forward(&disc(8));
        let run = |iterations, stop| {
            let settings = TvSettings { weight: 0.01, iterations, nonnegative: false };
            let mut on_step = |n| if n == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            fista_tv(&transform, &data, Array2::zeros((8, 8)), &settings, &mut on_step)
        };
        assert_eq!(run(50, 3), run(3, 0));
    }
}
