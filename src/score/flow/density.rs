//! What variational dequantization asks of a model of images.

use super::LikelihoodBound;
use crate::score::model::Differentiable;
use crate::score::process::Noise;
use anyhow::Result;
use candle_core::Tensor;

/// A lower bound on the log-density of images, or the log-density itself, and its gradient. Either may be
/// an unbiased estimate that draws from the noise.
pub trait Density {
    /// `log p(x)` of every image or less, in nats.
    ///
    /// # Errors
    /// When the model or the noise fails.
    fn log_density(&self, x: &Tensor, noise: &mut Noise) -> Result<Vec<f64>>;

    /// Its gradient by `x`, of the shape of `x`.
    ///
    /// # Errors
    /// When the model or the noise fails, or there is no gradient.
    fn slope(&self, x: &Tensor, noise: &mut Noise) -> Result<Tensor>;
}

/// The density that a [`LikelihoodBound`] guarantees, `−L`: the published choice for training
/// dequantization (dissertation, 9.5.2), without an ODE. For training some ten times are enough, for
/// evaluating take [`LikelihoodBound::TIMES`].
pub struct Bounded<'a> {
    /// The bound.
    pub bound: LikelihoodBound<'a>,
    /// The score.
    pub model: &'a dyn Differentiable,
}

impl Density for Bounded<'_> {
    fn log_density(&self, x: &Tensor, noise: &mut Noise) -> Result<Vec<f64>> {
        let found = self.bound.evaluate(&self.model, x, noise)?;
        Ok(found.nats.iter().map(|nats| -nats).collect())
    }

    fn slope(&self, x: &Tensor, noise: &mut Noise) -> Result<Tensor> {
        Ok(self.bound.slope(self.model, x, noise)?.neg()?)
    }
}
