//! Accelerated proximal gradient descent.

use super::operator_norm;
use crate::{Field, LinearOperator, Rank, Scalar, quantile};
use ndarray::{Array2, Zip};
use std::ops::ControlFlow;

/// Iterations of the power method, and what the norm may then still be short of.
const NORM_STEPS: usize = 20;
const NORM_MARGIN: f64 = 1.05;

/// Hears the number of finished iterations after each of them, and may end them.
pub type OnStep<'a> = &'a mut dyn FnMut(usize) -> ControlFlow<()>;

/// The proximal map of a penalty, `argmin_x ½‖x − b‖² + penalty(x)`; it may keep what speeds up the next call.
pub(super) trait Proximal<S> {
    /// The minimiser for `b`.
    fn apply(&mut self, b: &Array2<S>) -> &Array2<S>;
}

/// The step length `1/L`, `L = (1.05 ‖A‖)²` with the norm of 20 power iterations; none where A is zero.
pub(super) fn step_length<A: LinearOperator>(op: &A) -> Option<f64> {
    let step = 1.0 / (NORM_MARGIN * operator_norm(op, NORM_STEPS)).powi(2);
    step.is_finite().then_some(step)
}

/// `min_x ½‖A x − y‖² + L · penalty(x)` by FISTA (Beck and Teboulle, SIAM J. Imaging Sci. 2, 2009) with steps of
/// length `1/L`, restarted when the momentum points uphill (O'Donoghue and Candès, Found. Comput. Math. 15,
/// 2015). `prox` is the proximal map of the penalty.
pub(super) fn fista<S: Scalar, A: LinearOperator<Image = Array2<S>>>(
    op: &A,
    data: &A::Data,
    start: Array2<S>,
    (step, iterations): (f64, usize),
    prox: &mut impl Proximal<S>,
    on_step: OnStep<'_>,
) -> Array2<S> {
    let mut ahead = start.clone();
    let mut x = start;
    let mut t = 1.0_f32;
    for iteration in 1..=iterations {
        let mut misfit = op.forward(&ahead);
        misfit.add_scaled(-1.0, data);
        let mut descended = op.adjoint(&misfit);
        descended.scale(-step as f32);
        descended.add_scaled(1.0, &ahead);
        let next = prox.apply(&descended);
        if uphill(&ahead, next, &x) {
            t = 1.0;
        }
        let t_next = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
        extrapolate(&mut ahead, &mut x, next, (t - 1.0) / t_next);
        t = t_next;
        if on_step(iteration).is_break() {
            break;
        }
    }
    x
}

/// Whether `⟨ahead − next, next − x⟩ > 0`.
fn uphill<S: Scalar>(ahead: &Array2<S>, next: &Array2<S>, x: &Array2<S>) -> bool {
    let slope = |sum: f64, &ahead: &S, &next: &S, &x: &S| {
        let (left, right) = (ahead.add_scaled(-1.0, next).widen(), next.add_scaled(-1.0, x).widen());
        sum + left.re * right.re + left.im * right.im
    };
    Zip::from(ahead).and(next).and(x).fold(0.0, slope) > 0.0
}

/// `ahead = next + momentum (next − x)`, then `x = next`.
fn extrapolate<S: Scalar>(ahead: &mut Array2<S>, x: &mut Array2<S>, next: &Array2<S>, momentum: f32) {
    Zip::from(ahead).and(x).and(next).for_each(|ahead, x, &next| {
        *ahead = next.add_scaled(momentum, next.add_scaled(-1.0, *x));
        *x = next;
    });
}

/// The range of values: the 99th percentile of |start|, or of `|Aᴴ y|/L` when the start is zero.
pub(super) fn scale<S: Scalar, A: LinearOperator<Image = Array2<S>>>(
    op: &A,
    data: &A::Data,
    start: &Array2<S>,
    step: f64,
) -> f32 {
    match percentile(start) {
        0.0 => percentile(&op.adjoint(data)) * step as f32,
        scale => scale,
    }
}

/// The 99th percentile of the absolute values.
fn percentile<S: Scalar>(image: &Array2<S>) -> f32 {
    let mut values: Vec<f32> = image.iter().map(|value| value.widen().norm() as f32).collect();
    quantile(&mut values, 0.99, Rank::Lower).unwrap_or(0.0)
}
