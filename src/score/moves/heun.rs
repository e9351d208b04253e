//! Heun's method on the probability flow.

use super::{Churn, LevelSolver};
use crate::score::ScoreModel;
use crate::score::process::Noise;
use candle_core::{Result, Tensor};

/// Karras et al. 2022, Algorithm 2; without churn it is Algorithm 1 with `σ(t) = t`:
///
/// ```text
/// σ̂ = σ (1 + γ);  x̂ = x + √(σ̂² − σ²) S z           churn, drawn only where γ > 0
/// d = (x̂ − D(x̂; σ̂))/σ̂;  x' = x̂ + (σ' − σ̂) d
/// d' = (x' − D(x'; σ'))/σ';  x' = x̂ + (σ' − σ̂) (d + d')/2    unless σ' = 0
/// ```
///
/// Two calls a step, one for the last step to 0. Second order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::score) struct Heun {
    pub(in crate::score) churn: Option<Churn>,
    pub(in crate::score) steps: usize,
}

impl Heun {
    /// `γ`
    fn raise(&self, sigma: f64) -> f64 {
        match self.churn {
            Some(churn) if (churn.sigma_min..=churn.sigma_max).contains(&sigma) => {
                (churn.amount / self.steps.max(1) as f64).clamp(0.0, std::f64::consts::SQRT_2 - 1.0)
            }
            _ => 0.0,
        }
    }

    fn churned(&self, x: &Tensor, sigma: f64, noise: &mut Noise) -> Result<(Tensor, f64)> {
        let raise = self.raise(sigma);
        if raise == 0.0 {
            return Ok((x.clone(), sigma));
        }
        let raised = sigma * (1.0 + raise);
        let inflation = self.churn.map_or(1.0, |churn| churn.inflation);
        let std = inflation * (raised * raised - sigma * sigma).sqrt();
        Ok(((x + (noise.draw()? * std)?)?, raised))
    }
}

/// `(x − D(x; σ))/σ`
fn slope(x: &Tensor, sigma: f64, model: &dyn ScoreModel) -> Result<Tensor> {
    (x - model.denoise(x, sigma)?)? / sigma
}

impl LevelSolver for Heun {
    fn step(
        &mut self,
        x: &Tensor,
        from: f64,
        to: f64,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<Tensor> {
        let (x, from) = self.churned(x, from, noise)?;
        let d = slope(&x, from, model)?;
        let euler = (&x + (&d * (to - from))?)?;
        if to == 0.0 {
            return Ok(euler);
        }
        let d = ((d + slope(&euler, to, model)?)? * 0.5)?;
        x + (d * (to - from))?
    }
}
