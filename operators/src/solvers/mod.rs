//! Iterative solvers over any operator.

mod conjugate;
mod fista;
mod prox;
mod tikhonov;
mod tv;
mod wavelet;

pub use conjugate::conjugate_gradient;
pub use fista::OnStep;
pub use prox::TvProx;
pub use tikhonov::{TikhonovSettings, tikhonov};
pub use tv::{TvSettings, fista_tv};
pub use wavelet::{WaveletSettings, fista_wavelet};

use crate::{Field, LinearOperator};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The norm `‖A‖`, by the power method on `AᴴA` from a fixed random start.
///
/// It approaches the norm from below; a dozen iterations give a few per cent for a Radon transform.
pub fn operator_norm<A: LinearOperator>(op: &A, iterations: usize) -> f64 {
    let mut x = A::Image::randn(&op.image_shape(), &mut ChaCha8Rng::seed_from_u64(0));
    let mut eigenvalue = 0.0;
    for _ in 0..iterations {
        let length = x.norm();
        if length == 0.0 {
            return 0.0;
        }
        x.scale((1.0 / length) as f32);
        let next = op.normal(&x);
        // Rayleigh quotient, closer than the ratio of norms
        eigenvalue = x.dot(&next).re;
        x = next;
    }
    eigenvalue.max(0.0).sqrt()
}

/// The part of an image that `A` does not see: `x − A⁺A x`, by `iterations` conjugate-gradient steps from 0 on
/// `AᴴA z = AᴴA x`, fewer where `on_step`, called after each, ends them.
///
/// What `A` sees but weakly takes many steps, and before them counts as unseen.
pub fn null_space_part<A: LinearOperator>(
    op: &A,
    image: &A::Image,
    iterations: usize,
    on_step: OnStep<'_>,
) -> A::Image {
    let zero = A::Image::zeros(&op.image_shape());
    let ends = (iterations, NULL_SPACE_TOLERANCE);
    let seen = conjugate::watched(|z| op.normal(z), &op.normal(image), zero, ends, on_step);
    let mut unseen = image.clone();
    unseen.add_scaled(-1.0, &seen);
    unseen
}

/// Beyond this, single precision leaves nothing but rounding errors to fit.
const NULL_SPACE_TOLERANCE: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Filter, Fourier, ParallelBeam, Radon};
    use ndarray::{Array1, Array2, array};
    use std::ops::ControlFlow;

    #[test]
    fn the_norm_of_a_unitary_map_is_one() {
        assert!((operator_norm(&Fourier::new(9, 6), 3) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_norm_of_a_projection_along_columns_is_known() {
        // Every bin sums a column of 16 pixels of 0.5 mm: ‖A‖ = 0.5 √16.
        let geometry = ParallelBeam::with_angles(16, 10, 0.5, vec![0.0], Some(10));
        let norm = operator_norm(&Radon::new(geometry, Filter::Ramp).unwrap(), 5);
        assert!((norm - 2.0).abs() < 1e-4);
    }

    #[test]
    fn conjugate_gradients_solve_in_as_many_steps_as_unknowns() {
        let matrix: Array2<f32> = array![[4.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 2.0]];
        let solution: Array1<f32> = array![1.0, -2.0, 0.5];
        let product = |x: &Array1<f32>| -> Array1<f32> { ndarray::linalg::Dot::dot(&matrix, x) };
        let rhs = product(&solution);
        let solve = |start: Array1<f32>, n| conjugate_gradient(product, &rhs, start, n, 1e-6);
        let error = (&solve(Array1::zeros(3), 3) - &solution).norm();
        assert!(error < 1e-5, "{error}");
        assert_eq!(solve(solution.clone(), 10), solution);
        assert_eq!(solve(Array1::zeros(3), 0), Array1::<f32>::zeros(3));
    }

    #[test]
    fn what_is_unseen_leaves_the_data_alone_and_is_seen_by_nobody() {
        let geometry = ParallelBeam::equally_spaced(12, 10, 1.0, 4);
        let radon = Radon::new(geometry, Filter::Ramp).unwrap();
        let image = Array2::<f32>::randn(&[12, 10], &mut ChaCha8Rng::seed_from_u64(3));
        let unseen = null_space_part(&radon, &image, 300, &mut |_| ControlFlow::Continue(()));
        let share = radon.forward(&unseen).norm() / radon.forward(&image).norm();
        // A part of what is seen, A⁺A z, has nothing of the unseen one.
        let seen = radon.adjoint(&radon.forward(&image));
        let cosine = unseen.dot(&seen).re / (unseen.norm() * seen.norm());
        assert!(share < 1e-3 && cosine.abs() < 1e-3, "{share:e} {cosine:e}");
        assert!((0.3..0.95).contains(&(unseen.norm() / image.norm())));
    }

    #[test]
    fn the_search_for_the_unseen_part_can_be_ended() {
        let geometry = ParallelBeam::equally_spaced(12, 10, 1.0, 4);
        let radon = Radon::new(geometry, Filter::Ramp).unwrap();
        let image = Array2::<f32>::randn(&[12, 10], &mut ChaCha8Rng::seed_from_u64(3));
        let mut steps = Vec::new();
        let ended = null_space_part(&radon, &image, 300, &mut |step| {
            steps.push(step);
            if step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(steps, [1, 2, 3]);
        assert_eq!(ended, null_space_part(&radon, &image, 3, &mut |_| ControlFlow::Continue(())));
    }

    #[test]
    fn a_singular_direction_ends_the_search() {
        let rhs = array![1.0_f32, 1.0];
        let x = conjugate_gradient(|_: &Array1<f32>| Array1::zeros(2), &rhs, Array1::zeros(2), 5, 0.0);
        assert_eq!(x, Array1::<f32>::zeros(2));
    }
}
