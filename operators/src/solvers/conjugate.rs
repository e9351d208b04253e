//! Conjugate gradients.

use super::OnStep;
use crate::Field;
use std::ops::ControlFlow;

/// Solves `M x = rhs` for a Hermitian positive semi-definite `M` given as `apply`, from `start`
/// (Hestenes and Stiefel 1952).
///
/// Ends after `iterations`, when the residual falls below `tolerance · ‖rhs‖`, or where `M` is singular
/// along the search direction.
pub fn conjugate_gradient<F: Field>(
    apply: impl Fn(&F) -> F,
    rhs: &F,
    start: F,
    iterations: usize,
    tolerance: f64,
) -> F {
    watched(apply, rhs, start, (iterations, tolerance), &mut |_| ControlFlow::Continue(()))
}

/// [`conjugate_gradient`], heard after each iteration.
pub(super) fn watched<F: Field>(
    apply: impl Fn(&F) -> F,
    rhs: &F,
    start: F,
    (iterations, tolerance): (usize, f64),
    on_step: OnStep<'_>,
) -> F {
    let mut x = start;
    let mut residual = rhs.clone();
    residual.add_scaled(-1.0, &apply(&x));
    let mut direction = residual.clone();
    let mut energy = residual.dot(&residual).re;
    let goal = (tolerance * rhs.norm()).powi(2);
    for iteration in 1..=iterations {
        if energy <= goal {
            break;
        }
        let image = apply(&direction);
        let curvature = direction.dot(&image).re;
        if curvature <= 0.0 || curvature.is_nan() {
            break;
        }
        let step = (energy / curvature) as f32;
        x.add_scaled(step, &direction);
        residual.add_scaled(-step, &image);
        let next = residual.dot(&residual).re;
        direction.scale((next / energy) as f32);
        direction.add_scaled(1.0, &residual);
        energy = next;
        if on_step(iteration).is_break() {
            break;
        }
    }
    x
}
