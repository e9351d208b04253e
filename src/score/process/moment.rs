//! Where a sampler stands.

use super::{Marginal, Sde};
use crate::score::ScoreModel;
use candle_core::{Result, Tensor};

/// Where on the way from noise to image a sampler stands.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// The forward process being reversed.
    pub sde: &'a dyn Sde,
    /// Time, from 1 (noise) to nearly 0 (image).
    pub t: f64,
    /// Into how many steps `[0, 1]` is cut.
    pub steps: usize,
}

impl Moment<'_> {
    /// `m(t)`, `s(t)`
    pub fn marginal(&self) -> Marginal {
        self.sde.marginal(self.t)
    }

    /// `∇ₓ log pₜ(x)`.
    ///
    /// A [`ScoreModel`] knows images with noise added, `x/m = x₀ + (s/m) z`, and the change of variables
    /// gives `∇ₓ log pₜ(x) = (1/m) ∇ log p(x/m; s/m)`. For VE, `m = 1`.
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    pub fn score(&self, model: &dyn ScoreModel, x: &Tensor) -> Result<Tensor> {
        let Marginal { mean, std } = self.marginal();
        model.score(&(x / mean)?, std / mean)? / mean
    }

    /// `E[x₀ | xₜ = x]`
    ///
    /// # Errors
    /// As [`ScoreModel::denoise`].
    pub fn denoise(&self, model: &dyn ScoreModel, x: &Tensor) -> Result<Tensor> {
        let Marginal { mean, std } = self.marginal();
        model.denoise(&(x / mean)?, std / mean)
    }
}
