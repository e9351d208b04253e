//! Samplers that go down a ladder of noise levels.
//!
//! In `x/m` every process with scalar coefficients is the same: an image with noise of standard deviation
//! `σ = s/m`, and its probability flow is `dx/dσ = −σ ∇ log p(x; σ) = (x − D(x; σ))/σ` with the denoiser
//! `D = E[x₀ | x]` (Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", 2022,
//! eq. 1 and 3). A [`ScoreModel`] speaks these variables, so one ladder serves VE, VP and sub-VP networks.

use super::Consistency;
use super::{DpmPlusPlus, Heun};
use crate::score::ScoreModel;
use crate::score::process::{Marginal, Noise};
use anyhow::{Result, ensure};
use candle_core::Tensor;

/// From one noise level to the next.
pub trait LevelSolver {
    /// A batch at level `to` from a batch at level `from > to`; `to` may be 0.
    ///
    /// # Errors
    /// When the model or the noise fails.
    fn step(
        &mut self,
        x: &Tensor,
        from: f64,
        to: f64,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> candle_core::Result<Tensor>;
}

/// Which [`LevelSolver`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LevelMethod {
    /// Euler on the probability flow, which is deterministic DDIM; first order, one call a step.
    Euler,
    /// Heun, with or without fresh noise; second order, two calls a step.
    Heun(Option<Churn>),
    /// DPM-Solver++(2M); second order, one call a step.
    DpmPlusPlus,
}

/// How much noise Heun's method renews on its way (Karras et al. 2022, Algorithm 2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Churn {
    /// `S_churn`: every step raises the level by the factor `1 + min(S_churn/n, √2 − 1)` first.
    pub amount: f64,
    /// `S_tmin`: below this level nothing is added.
    pub sigma_min: f64,
    /// `S_tmax`: above this level nothing is added.
    pub sigma_max: f64,
    /// `S_noise`, factor on the added noise; 1 for an exact score.
    pub inflation: f64,
}

impl LevelMethod {
    /// A solver that has no past, for a ladder of `steps` steps.
    pub fn start(self, steps: usize) -> Box<dyn LevelSolver> {
        match self {
            Self::Euler => Box::new(Euler),
            Self::Heun(churn) => Box::new(Heun { churn, steps }),
            Self::DpmPlusPlus => Box::new(DpmPlusPlus::default()),
        }
    }
}

/// `x ← D + σ'/σ (x − D)`
struct Euler;

impl LevelSolver for Euler {
    fn step(
        &mut self,
        x: &Tensor,
        from: f64,
        to: f64,
        model: &dyn ScoreModel,
        _noise: &mut Noise,
    ) -> candle_core::Result<Tensor> {
        let clean = model.denoise(x, from)?;
        &clean + ((x - &clean)? * (to / from))?
    }
}

/// A sampler over falling noise levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    /// `σ₀ > σ₁ > …`; the last may be 0, and the batch returned is at the last.
    pub levels: Vec<f64>,
    /// How it goes from one to the next.
    pub method: LevelMethod,
}

impl Descent {
    /// A batch at the last level, from noise of the first.
    ///
    /// Noise is consumed in this order: the start; then for each step the consistency, the solver. The
    /// measurement is imposed before every step at the step's level and, without noise, at the end.
    ///
    /// # Errors
    /// When the levels do not fall, or the model, the noise, the consistency or `on_step` fails.
    pub fn sample(
        &self,
        model: &dyn ScoreModel,
        consistency: &mut dyn Consistency,
        noise: &mut Noise,
        on_step: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        let first = self.levels.first().copied().unwrap_or(0.0);
        let x = (noise.draw()? * first)?;
        self.descend(x, model, consistency, noise, on_step)
    }

    /// As [`Descent::sample`], from a batch that is at the first level already.
    ///
    /// # Errors
    /// As [`Descent::sample`].
    pub fn descend(
        &self,
        mut x: Tensor,
        model: &dyn ScoreModel,
        consistency: &mut dyn Consistency,
        noise: &mut Noise,
        on_step: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Tensor> {
        self.check()?;
        let mut solver = self.method.start(self.levels.len() - 1);
        for (step, pair) in self.levels.windows(2).enumerate() {
            x = consistency.impose(x, Marginal { mean: 1.0, std: pair[0] }, noise)?;
            x = solver.step(&x, pair[0], pair[1], model, noise)?;
            on_step(step + 1)?;
        }
        Ok(consistency.finish(x)?)
    }

    fn check(&self) -> Result<()> {
        let falls = self.levels.windows(2).all(|pair| pair[0] > pair[1]);
        let last = self.levels.last().copied().unwrap_or(-1.0);
        ensure!(
            self.levels.len() >= 2 && falls && last >= 0.0,
            "noise levels must fall, at least two of them"
        );
        Ok(())
    }
}
