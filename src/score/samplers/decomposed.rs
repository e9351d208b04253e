//! The default method: from a classical image plus noise, denoise and fit the data in turn.
//!
//! After decomposed diffusion sampling (Chung, Lee and Ye, "Decomposed Diffusion Sampler for Accelerating
//! Large-Scale Inverse Problems", 2024), with noise levels instead of a VP time axis and a choice of the noise
//! estimate (Zhu et al., "Denoising Diffusion Models for Plug-and-Play Image Restoration", 2023).

use super::{Part, Sampler, Start, report};
use crate::knobs::{SamplerSettings, SettingError};
use crate::score::ScoreModel;
use crate::score::measure::{Measured, Weighting};
use crate::score::model::{Differentiable, Orientations};
use crate::score::process::Noise;
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::Progress;
use serde::{Deserialize, Serialize};

/// What the noise in `x` is taken to be, once the data have been fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseEstimate {
    /// `(x − x̂₀)/σ`: what is left beside the image that fits the data. Measured components then carry noise of
    /// exactly the level σ.
    #[default]
    Fitted,
    /// `(x − D)/σ`: what the network took for noise, as in the decomposed diffusion sampler.
    Denoised,
}

/// Denoise, fit the data, add noise of the next lower level; `steps` times.
///
/// ```text
/// x   = start + κ σ₀ z
/// D   = E[x₀ | x]                                            one network call, see Orientations
/// x̂₀  = argmin_z ‖z − D‖² + Σ wᵢ |(A z − y)ᵢ|²                conjugate gradients from D; w by the data's noise, see noise_trust
/// x   = x̂₀ + κ σᵢ₊₁ (√(1 − η²) n + η z),  n = (x − x̂₀)/κσᵢ   or (x − D)/κσᵢ, see NoiseEstimate
/// ```
///
/// and the last `x̂₀` is the result. With `n = (x − x̂₀)/σ` the deterministic part of the noise keeps its level
/// on measured components.
///
/// κ = 1 draws samples. With κ = 0 no noise is added at all, and the network takes the artefacts of the image
/// for the noise of each level: half-quadratic splitting with a learned denoiser (Zhang et al., "Plug-and-Play
/// Image Restoration with Deep Denoiser Prior", 2021). That is a point estimate, the same for every seed. Here
/// momentum helps, as in Nesterov's method, since a step takes out a part of an artefact only: the network is
/// then shown `x̂₀ + β (x̂₀ − x̂₀ of the step before)`.
///
/// Known biases: a denoiser gives the mean of `x₀`, not a sample, and with many steps the spread of results
/// relaxes to `√((1 + √(1 − η²))/2)` of the posterior's (0.89 at η = 0.8, measured 0.88 on Gaussian posteriors,
/// whose means are met); and the start image is remembered as far as `σ₀` does not drown it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Decomposed {
    /// Noise level that the start image gets, in model units.
    pub sigma_start: f64,
    /// Noise level of the last denoising, in model units.
    pub sigma_end: f64,
    /// Number of noise levels, geometric between the two, and of network calls.
    pub steps: usize,
    /// η, which share of the noise is fresh at every step, in `[0, 1]`; 0 is deterministic.
    pub eta: f64,
    /// κ, how much of the noise of the ladder is really added, in `[0, 1]`: 1 draws samples, 0 is the
    /// deterministic point estimate of plug-and-play half-quadratic splitting, which has the least error.
    pub temperature: f64,
    /// β, in `[0, 1)`: how far a step goes on in the direction of the one before; only with κ = 0.
    pub momentum: f64,
    /// How the network is shown the images.
    pub orientations: Orientations,
    /// Number of passes over all noise levels, each with the orientations in another order; the mean is the result. More
    /// than 1 only with κ = 0.
    pub passes: usize,
    /// γ, the largest weight of the data against the denoised image.
    pub data_weight: f64,
    /// τ, by how much larger than white noise of its level the error of a denoised image is where the data see it.
    pub noise_trust: f64,
    /// Conjugate-gradient steps of a data fit.
    pub cg_iterations: usize,
    /// What the noise is taken to be between two steps.
    pub noise_estimate: NoiseEstimate,
}

impl Default for Decomposed {
    fn default() -> Self {
        Self {
            sigma_start: 1.0,
            sigma_end: 0.003,
            steps: 50,
            eta: 0.8,
            temperature: 1.0,
            momentum: 0.0,
            orientations: Orientations::Upright,
            passes: 1,
            data_weight: 500.0,
            noise_trust: 1.0,
            cg_iterations: 6,
            noise_estimate: NoiseEstimate::Fitted,
        }
    }
}

/// By how many orientations a pass is ahead of the one before: of three passes, no two begin alike.
const PASS_OFFSET: usize = 3;

impl Decomposed {
    /// `σᵢ`, from `sigma_start` down to `sigma_end`.
    fn sigma(&self, step: usize) -> f64 {
        let fraction = step as f64 / self.steps.saturating_sub(1).max(1) as f64;
        self.sigma_start * (self.sigma_end / self.sigma_start).powf(fraction)
    }

    /// `x̂₀ + β (x̂₀ − before)`, what the network is shown next where no noise is added.
    fn ahead(&self, fitted: &Tensor, before: &Tensor) -> candle_core::Result<Tensor> {
        if self.momentum == 0.0 { Ok(fitted.clone()) } else { fitted + ((fitted - before)? * self.momentum)? }
    }

    /// Standard deviation `κ σᵢ` of the noise that is added at level `step`.
    fn added(&self, step: usize) -> f64 {
        self.temperature * self.sigma(step)
    }

    /// `argmin_z ‖z − D‖² + Σ wᵢ |(A z − y)ᵢ|²` with `wᵢ = min(γ/‖A‖², (τ σ/nᵢ)²)`.
    ///
    /// `σ²/nᵢ²` would be the posterior's own weight if the denoised image were off by white noise of σ. It is off by
    /// structures, whose part that the data see is larger: τ. γ keeps the fit well conditioned where σ is large or the data
    /// have no noise.
    fn fit(&self, measured: &dyn Measured, denoised: &Tensor, sigma: f64) -> candle_core::Result<Tensor> {
        let norm = measured.norm();
        let limit = if norm > 0.0 { self.data_weight / (norm * norm) } else { 0.0 };
        measured.fit(
            denoised,
            1.0,
            Weighting::ByNoise { level: self.noise_trust * sigma, limit },
            self.cg_iterations,
        )
    }

    fn descend(
        &self,
        (prior, measured): (&dyn ScoreModel, &dyn Measured),
        (start, offset): (&Tensor, usize),
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let mut fitted = start.clone();
        let mut x = noised(start, self.added(0), noise)?;
        for step in 0..self.steps {
            let sigma = self.sigma(step);
            let denoised = self.orientations.denoise(prior, &x, sigma, step + offset)?;
            let before = std::mem::replace(&mut fitted, self.fit(measured, &denoised, sigma)?);
            report(progress, step + 1, self.steps)?;
            let last = step + 1 == self.steps;
            if last {
                break;
            }
            x = if self.temperature == 0.0 {
                self.ahead(&fitted, &before)?
            } else {
                self.descend_to(step + 1, &x, &denoised, &fitted, noise)?
            };
        }
        Ok(fitted)
    }

    /// `x` at the level `next`, from `x`, `D` and `x̂₀` of the level before.
    fn descend_to(
        &self,
        next: usize,
        x: &Tensor,
        denoised: &Tensor,
        fitted: &Tensor,
        noise: &mut Noise,
    ) -> candle_core::Result<Tensor> {
        let clean = match self.noise_estimate {
            NoiseEstimate::Fitted => fitted,
            NoiseEstimate::Denoised => denoised,
        };
        // κ cancels: the old noise was κσ and becomes that of the next level.
        let kept = (1.0 - self.eta.powi(2)).sqrt() * self.sigma(next) / self.sigma(next - 1);
        let old = ((x - clean)? * kept)?;
        noised(&(fitted + old)?, self.eta * self.added(next), noise)
    }
}

/// `x + std z`; draws nothing when there is nothing to add.
fn noised(x: &Tensor, std: f64, noise: &mut Noise) -> candle_core::Result<Tensor> {
    if std == 0.0 { Ok(x.clone()) } else { x + (noise.draw()? * std)? }
}

impl Sampler for Decomposed {
    fn sound(&self) -> std::result::Result<(), SettingError> {
        self.check_all()
    }

    fn wants_start(&self) -> bool {
        true
    }

    /// The mean of all passes.
    fn draw(
        &self,
        prior: &dyn Differentiable,
        measured: &dyn Measured,
        start: Start<'_>,
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let start = start.image()?;
        let mut sum = start.zeros_like()?;
        for pass in 0..self.passes {
            let part = Part { whole: progress, index: pass, parts: self.passes };
            sum = (sum + self.descend((&prior, measured), (start, pass * PASS_OFFSET), noise, &part)?)?;
        }
        Ok((sum / self.passes as f64)?)
    }
}
