//! The process that adds noise and leaves the image as it is.

use super::sde::grid_index;
use super::{AncestralStep, Marginal, Sde, SmldChain};

/// Variance exploding: `m = 1`, `s = σ_min (σ_max / σ_min)ᵗ`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ve {
    /// Noise level at `t = 0`.
    pub sigma_min: f64,
    /// Noise level at `t = 1`.
    pub sigma_max: f64,
}

impl Ve {
    fn sigma(&self, t: f64) -> f64 {
        self.sigma_min * (self.sigma_max / self.sigma_min).powf(t)
    }

    /// The Markov chain of `steps` noise levels that this process is the limit of.
    pub fn chain(&self, steps: usize) -> SmldChain {
        let last = steps.saturating_sub(1).max(1) as f64;
        SmldChain { sigmas: (0..steps.max(1)).map(|i| self.sigma(i as f64 / last)).collect() }
    }

    /// `(σᵢ, σᵢ₋₁)` on the geometric grid of `steps` levels, with `σ₋₁ = 0`.
    fn grid_sigmas(&self, t: f64, steps: usize) -> (f64, f64) {
        let index = grid_index(t, steps);
        let level = |i: usize| self.sigma(i as f64 / steps.saturating_sub(1).max(1) as f64);
        (level(index), if index == 0 { 0.0 } else { level(index - 1) })
    }
}

impl Sde for Ve {
    fn drift(&self, _t: f64) -> f64 {
        0.0
    }
    fn diffusion(&self, t: f64) -> f64 {
        self.sigma(t) * (2.0 * (self.sigma_max / self.sigma_min).ln()).sqrt()
    }
    fn marginal(&self, t: f64) -> Marginal {
        Marginal { mean: 1.0, std: self.sigma(t) }
    }
    fn prior_std(&self) -> f64 {
        self.sigma_max
    }
    fn discretize(&self, t: f64, steps: usize) -> (f64, f64) {
        let (sigma, below) = self.grid_sigmas(t, steps);
        (0.0, (sigma * sigma - below * below).sqrt())
    }
    fn ancestral(&self, t: f64, steps: usize) -> Option<AncestralStep> {
        let (sigma, below) = self.grid_sigmas(t, steps);
        let variance = sigma * sigma - below * below;
        Some(AncestralStep { scale: 1.0, variance, std: below * variance.sqrt() / sigma })
    }
}
