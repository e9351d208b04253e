//! The moves that samplers are made of.

use crate::score::ScoreModel;
use crate::score::process::Moment;
use crate::score::process::Noise;
use candle_core::{Result, Tensor};

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
pub(in crate::score) fn with_noise(mean: Tensor, std: f64, noise: &mut Noise) -> Result<(Tensor, Tensor)> {
    let x = (&mean + (noise.draw()? * std)?)?;
    Ok((x, mean))
}
