//! The moves that samplers are made of.

use super::{Marginal, Noise, ScoreModel, Sde};
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

/// A predictor or a corrector.
pub trait Update: Send + Sync {
    /// `x ↦ (x', E[x'])`: the moved batch, and the same before the fresh noise of the last move was added.
    ///
    /// # Errors
    /// When the score, the noise or the tensor arithmetic fails, or the move is not defined for the process.
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)>;
}

/// Stays where it is: a sampler without predictor or without corrector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoUpdate;

impl Update for NoUpdate {
    fn update(
        &self,
        x: &Tensor,
        _at: &Moment<'_>,
        _model: &dyn ScoreModel,
        _noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        Ok((x.clone(), x.clone()))
    }
}

/// `(mean + std z, mean)`
pub(super) fn with_noise(mean: Tensor, std: f64, noise: &mut Noise) -> Result<(Tensor, Tensor)> {
    let x = (&mean + (noise.draw()? * std)?)?;
    Ok((x, mean))
}
