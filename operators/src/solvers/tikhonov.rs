//! Least squares with a penalty on the size of the image.

use super::OnStep;
use super::conjugate::watched;
use super::fista::step_length;
use crate::{Field, LinearOperator};

/// Below this share of the right-hand side the residual is rounding.
const TOLERANCE: f64 = 1e-6;

/// The settings of [`tikhonov`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TikhonovSettings {
    /// Weight of `‖x‖²`, as a share of `‖A‖²`; 0.001 to 0.1 are common.
    pub weight: f64,
    /// Number of iterations at most.
    pub iterations: usize,
}

/// `min_x ‖A x − y‖² + weight · L · ‖x‖²` by conjugate gradients on `(AᴴA + weight · L) x = Aᴴ y` from `start`.
///
/// `L = (1.05 ‖A‖)²` with the norm of 20 power iterations, so the weight has no unit. With [`Sense`](crate::Sense) beneath a
/// mask this is CG-SENSE (Pruessmann et al., Magn. Reson. Med. 46, 2001). Images may be real or complex, of any number of axes.
///
/// `on_step` is called with the number of finished iterations after each, and may end them.
pub fn tikhonov<A: LinearOperator>(
    op: &A,
    data: &A::Data,
    start: A::Image,
    settings: &TikhonovSettings,
    on_step: OnStep<'_>,
) -> A::Image {
    let Some(step) = step_length(op) else { return start };
    let weight = (settings.weight / step) as f32;
    let apply = |image: &A::Image| {
        let mut sum = op.normal(image);
        sum.add_scaled(weight, image);
        sum
    };
    watched(apply, &op.adjoint(data), start, (settings.iterations, TOLERANCE), on_step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fourier, Mask, Problem, SamplingPlan, Sense, Transform, birdcage};
    use ndarray::Array2;
    use num_complex::Complex32;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::ops::ControlFlow;

    fn image(rows: usize, cols: usize) -> Array2<Complex32> {
        Field::randn(&[rows, cols], &mut ChaCha8Rng::seed_from_u64(4))
    }

    fn solve<A: LinearOperator>(op: &A, data: &A::Data, weight: f64) -> A::Image {
        let zero = A::Image::zeros(&op.image_shape());
        let settings = TikhonovSettings { weight, iterations: 300 };
        tikhonov(op, data, zero, &settings, &mut |_| ControlFlow::Continue(()))
    }

    #[test]
    fn a_unitary_map_is_only_shrunk() {
        let (fourier, x) = (Fourier::new(12, 15), image(12, 15));
        let found = solve(&fourier, &fourier.forward(&x), 0.5);
        let factor = 1.0 / (1.0 + 0.5 * 1.05_f32.powi(2));
        assert!((&found - &x.mapv(|v| v * factor)).norm() < 1e-3 * x.norm());
    }

    #[test]
    fn coils_fill_what_half_of_the_lines_leave_out() {
        let (rows, cols) = (24, 32);
        let truth = image(rows, cols);
        let transform = Sense::new(birdcage(8, rows, cols)).unwrap();
        let columns: Vec<bool> = (0..cols).map(|j| j % 2 == 0).collect();
        let mask = Mask::columns(rows, &columns).over_coils(8);
        let measured = mask.select(transform.forward(&truth));
        let problem = Problem::new(transform, mask, measured).unwrap();
        let direct = problem.transform.inverse(&problem.measured);
        let found = solve(&problem, &problem.measured, 0.0);
        assert!((&found - &truth).norm() < 1e-3 * truth.norm());
        assert!((&direct - &truth).norm() > 0.3 * truth.norm());
    }

    #[test]
    fn the_gradient_vanishes_at_the_result() {
        let (rows, cols) = (20, 24);
        let transform = Sense::new(birdcage(4, rows, cols)).unwrap();
        let mask = SamplingPlan::equispaced(3.0).mask(rows, cols).unwrap().over_coils(4);
        let measured = mask.select(transform.forward(&image(rows, cols)));
        let problem = Problem::new(transform, mask, measured).unwrap();
        let found = solve(&problem, &problem.measured, 0.1);
        let back = problem.adjoint(&problem.measured);
        let mut gradient = problem.normal(&found);
        let length = 1.0 / step_length(&problem).unwrap();
        gradient.add_scaled((0.1 * length) as f32, &found);
        gradient.add_scaled(-1.0, &back);
        assert!(gradient.norm() < 1e-5 * back.norm());
    }

    #[test]
    fn steps_are_reported_and_may_end_it() {
        let fourier = Problem::new(
            Sense::new(birdcage(3, 8, 9)).unwrap(),
            SamplingPlan::equispaced(2.0).mask(8, 9).unwrap().over_coils(3),
            ndarray::Array3::from_elem((3, 8, 9), Complex32::new(1.0, 0.0)),
        )
        .unwrap();
        let mut steps = Vec::new();
        let settings = TikhonovSettings { weight: 0.01, iterations: 50 };
        let zero = Array2::zeros((8, 9));
        tikhonov(&fourier, &fourier.measured, zero, &settings, &mut |n| {
            steps.push(n);
            if n == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(steps, [1, 2, 3]);
    }
}
