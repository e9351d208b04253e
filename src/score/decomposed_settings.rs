//! Settings of the default method.

use super::Orientations;
use anyhow::{Result, ensure};
use candle_core::Tensor;

/// What the noise in `x` is taken to be, once the data have been fitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoiseEstimate {
    /// `(x − x̂₀)/σ`: what is left beside the image that fits the data. Measured components then carry noise of
    /// exactly the level σ.
    #[default]
    Fitted,
    /// `(x − D)/σ`: what the network took for noise, as in the decomposed diffusion sampler.
    Denoised,
}

/// Settings of [`Decomposed`](super::Decomposed).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecomposedSettings {
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
    /// How often the whole way is gone, each time through the orientations in another order; the mean is the result. More
    /// than 1 only with κ = 0.
    pub passes: usize,
    /// γ, the largest weight of the data against the denoised image.
    pub data_weight: f64,
    /// Conjugate-gradient steps of a data fit.
    pub cg_iterations: usize,
    /// What the noise is taken to be between two steps.
    pub noise_estimate: NoiseEstimate,
}

impl Default for DecomposedSettings {
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
            cg_iterations: 6,
            noise_estimate: NoiseEstimate::Fitted,
        }
    }
}

impl DecomposedSettings {
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.steps >= 1, "the decomposed sampler needs at least one step");
        ensure!(
            0.0 < self.sigma_end && self.sigma_end <= self.sigma_start && self.sigma_start.is_finite(),
            "noise levels must fall and stay above 0: {} to {} do not",
            self.sigma_start,
            self.sigma_end
        );
        for (name, share) in [("eta", self.eta), ("temperature", self.temperature)] {
            ensure!((0.0..=1.0).contains(&share), "{name} is between 0 and 1, not {share}");
        }
        ensure!(
            self.passes == 1 || (self.passes > 1 && self.temperature == 0.0),
            "one pass draws a sample; several ({}) are for temperature 0",
            self.passes
        );
        ensure!((0.0..1.0).contains(&self.momentum), "momentum lies in [0, 1), not {}", self.momentum);
        let weight = self.data_weight;
        ensure!(weight.is_finite() && weight >= 0.0, "the data weight must not be negative: {weight}");
        Ok(())
    }

    /// `σᵢ`, from `sigma_start` down to `sigma_end`.
    pub(super) fn sigma(&self, step: usize) -> f64 {
        let fraction = step as f64 / self.steps.saturating_sub(1).max(1) as f64;
        self.sigma_start * (self.sigma_end / self.sigma_start).powf(fraction)
    }

    /// `x̂₀ + β (x̂₀ − before)`, what the network is shown next where no noise is added.
    pub(super) fn ahead(&self, fitted: &Tensor, before: &Tensor) -> candle_core::Result<Tensor> {
        if self.momentum == 0.0 { Ok(fitted.clone()) } else { fitted + ((fitted - before)? * self.momentum)? }
    }

    /// Standard deviation `κ σᵢ` of the noise that is added at level `step`.
    pub(super) fn added(&self, step: usize) -> f64 {
        self.temperature * self.sigma(step)
    }
}
