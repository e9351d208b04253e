//! The loop that every sampler shares.

use super::Consistency;
use super::Update;
use crate::score::ScoreModel;
use crate::score::process::Moment;
use crate::score::process::{Noise, Sde};
use anyhow::Result;
use candle_core::Tensor;

/// Predictor-corrector sampling (Song et al. 2021, Algorithm 1) with a measurement imposed before every move
/// (dissertation, (8.6) and (8.7)).
pub struct ReverseProcess<'a, S> {
    /// The process to reverse.
    pub sde: S,
    /// Follows the reverse-time process by one step.
    pub predictor: Box<dyn Update + 'a>,
    /// Draws the samples towards the distribution of their noise level, before the predictor.
    pub corrector: Box<dyn Update + 'a>,
    /// `N`, the number of time steps.
    pub steps: usize,
    /// Where time ends: small, because the process is singular at 0.
    pub t_end: f64,
}

impl<S: Sde> ReverseProcess<'_, S> {
    /// A batch of samples, clean (noise level 0).
    ///
    /// Noise is consumed in this order: the prior; then for each time the consistency, the corrector, the
    /// consistency, the predictor. `on_step` hears how many time steps are done and stops the loop with an
    /// error of its own.
    ///
    /// # Errors
    /// When the model, the noise, the consistency step or `on_step` fails.
    pub fn sample(
        &self,
        model: &dyn ScoreModel,
        consistency: &mut dyn Consistency,
        noise: &mut Noise,
        on_step: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        let mut x = (noise.draw()? * self.sde.prior_std())?;
        for step in 0..self.steps {
            let at = self.moment(step);
            x = consistency.impose(x, at.marginal(), noise)?;
            x = self.corrector.update(&x, &at, model, noise)?.0;
            x = consistency.impose(x, at.marginal(), noise)?;
            x = self.predictor.update(&x, &at, model, noise)?.0;
            on_step(step + 1)?;
        }
        let x = self.moment(self.steps.saturating_sub(1)).denoise(model, &x)?;
        Ok(consistency.finish(x)?)
    }

    /// `tᵢ`, evenly spaced from 1 to `t_end`.
    fn moment(&self, step: usize) -> Moment<'_> {
        let fraction = step as f64 / self.steps.saturating_sub(1).max(1) as f64;
        Moment { sde: &self.sde, t: 1.0 + (self.t_end - 1.0) * fraction, steps: self.steps }
    }
}
