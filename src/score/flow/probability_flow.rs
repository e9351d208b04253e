//! The probability flow ODE, solved adaptively: images to latents and back.

use super::DormandPrince;
use crate::score::ScoreModel;
use crate::score::process::Moment;
use crate::score::process::Sde;
use crate::score::tensors::{like, numbers};
use anyhow::Result;
use candle_core::Tensor;

/// `dx/dt = f(t) x − g(t)² ∇ log pₜ(x) / 2`, (7.13), between `t_end` and 1.
///
/// It carries the distribution of the process at one time to that at any other, without noise. All images of a
/// batch share the solver's steps, so a result depends, within the tolerance, on its neighbours; give images one
/// by one where it must not. Numbers of the state are double precision, the model's own that of the batch.
#[derive(Clone, Copy)]
pub struct ProbabilityFlow<'a> {
    /// The process.
    pub sde: &'a dyn Sde,
    /// The time that counts as the image's: small, because the process is singular at 0.
    pub t_end: f64,
    /// The solver and its tolerances.
    pub solver: DormandPrince,
}

/// Where a flow ends.
#[derive(Clone, Debug)]
pub struct Flowed {
    /// The batch at the end.
    pub x: Tensor,
    /// How often the model was called.
    pub calls: usize,
}

impl<'a> ProbabilityFlow<'a> {
    /// The time `t` of this flow's process.
    pub fn moment(&self, t: f64) -> Moment<'a> {
        Moment { sde: self.sde, t, steps: 1 }
    }

    /// From images to the latents that they come from, distributed as the prior.
    ///
    /// # Errors
    /// When the model fails or the solver cannot reach its tolerance.
    pub fn encode(&self, model: &dyn ScoreModel, x: &Tensor) -> Result<Flowed> {
        self.run(model, x, (self.t_end, 1.0))
    }

    /// From latents, such as [`Sde::sample_prior`], to images at noise level `s(t_end)`; [`Moment::denoise`]
    /// there removes the rest.
    ///
    /// # Errors
    /// As [`ProbabilityFlow::encode`].
    pub fn decode(&self, model: &dyn ScoreModel, z: &Tensor) -> Result<Flowed> {
        self.run(model, z, (1.0, self.t_end))
    }

    /// The slope `dx/dt`.
    ///
    /// # Errors
    /// When the model fails.
    pub fn slope(&self, model: &dyn ScoreModel, x: &Tensor, t: f64) -> candle_core::Result<Tensor> {
        let score = self.moment(t).score(model, x)?;
        (x * self.sde.drift(t))? - (score * (0.5 * self.sde.diffusion(t).powi(2)))?
    }

    fn run(&self, model: &dyn ScoreModel, x: &Tensor, span: (f64, f64)) -> Result<Flowed> {
        let mut slope = |t: f64, state: &[f64]| Ok(numbers(&self.slope(model, &like(x, state)?, t)?)?);
        let end = self.solver.integrate(&mut slope, span, numbers(x)?, &mut |_| Ok(()))?;
        Ok(Flowed { x: like(x, &end.state)?, calls: end.calls })
    }
}
