//! Moves that follow the reverse-time process by one step.
//!
//! Source: Song et al. 2021, Appendices D and E; the noise of the last step stays in `x` and is absent from
//! the mean.

use super::Update;
use super::update::with_noise;
use crate::score::ScoreModel;
use crate::score::process::Moment;
use crate::score::process::Noise;
use candle_core::{Result, Tensor, bail};

/// `x ← x − a x + G² score + G z` with the process's own discretisation `(a, G)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReverseDiffusion;

impl Update for ReverseDiffusion {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let (a, g) = at.sde.discretize(at.t, at.steps);
        reverse_step(x, (a, g), at, model, noise)
    }
}

/// `x ← x − (f x − g² score)/N + g z/√N`, Euler-Maruyama on the reverse-time SDE (8.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EulerMaruyama;

impl Update for EulerMaruyama {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let dt = 1.0 / at.steps as f64;
        let step = (at.sde.drift(at.t) * dt, at.sde.diffusion(at.t) * dt.sqrt());
        reverse_step(x, step, at, model, noise)
    }
}

fn reverse_step(
    x: &Tensor,
    (a, g): (f64, f64),
    at: &Moment<'_>,
    model: &dyn ScoreModel,
    noise: &mut Noise,
) -> Result<(Tensor, Tensor)> {
    let mean = ((x * (1.0 - a))? + (at.score(model, x)? * (g * g))?)?;
    with_noise(mean, g, noise)
}

/// `x ← x − a x + G² score / 2`: Euler on the probability flow (7.13) with the process's own discretisation.
///
/// Draws no noise. Its error falls with the first power of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbabilityFlowEuler;

impl Update for ProbabilityFlowEuler {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        _noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let (a, g) = at.sde.discretize(at.t, at.steps);
        let x = ((x * (1.0 - a))? + (at.score(model, x)? * (0.5 * g * g))?)?;
        Ok((x.clone(), x))
    }
}

/// Ancestral sampling of the Markov chain behind VE (SMLD) or VP (DDPM); sub-VP has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ancestral;

impl Update for Ancestral {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let Some(step) = at.sde.ancestral(at.t, at.steps) else {
            bail!("ancestral sampling is defined for VE and VP processes only")
        };
        let mean = ((x + (at.score(model, x)? * step.variance)?)? * step.scale)?;
        with_noise(mean, step.std, noise)
    }
}
