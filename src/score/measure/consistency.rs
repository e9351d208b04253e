//! Makes a noisy image agree with a measurement noised to the same level.
//!
//! Dissertation, section 8.3.2 and Theorem 8.1. With `ŷₜ = m(t) y + s(t) A z`, `z` fresh each time, the
//! proximal problem (8.8) is solved in one of three [`Form`]s.

use super::{Form, Measured};
use crate::score::moves::Consistency;
use crate::score::process::{Marginal, Noise};
use candle_core::{Result, Tensor};

/// Imposes one slice's measurement on every image of a batch; see [`Measured::exchange`].
pub struct Projection<M> {
    measured: M,
    lambda: f64,
    final_lambda: f64,
    form: Form,
    /// The last level seen.
    last: Marginal,
}

impl<M: Measured> Projection<M> {
    /// `lambda` (λ, in `[0, 1]`) weighs the measurement against the image while sampling, `final_lambda` in the
    /// last step (1 for data without noise).
    pub fn new(measured: M, lambda: f64, final_lambda: f64, form: Form) -> Self {
        // Before any level was seen the data are as good as without noise.
        Self { measured, lambda, final_lambda, form, last: Marginal { mean: 0.0, std: 1.0 } }
    }
}

impl<M: Measured> Consistency for Projection<M> {
    fn impose(&mut self, x: Tensor, marginal: Marginal, noise: &mut Noise) -> Result<Tensor> {
        self.last = marginal;
        self.measured.exchange(&x, Some(&noise.draw()?), marginal, self.lambda, self.form)
    }

    fn finish(&mut self, x: Tensor) -> Result<Tensor> {
        self.measured.exchange(&x, None, self.last, self.final_lambda, self.form)
    }
}
