//! The processes that let the image fade as the noise grows.

use super::sde::grid_index;
use super::{AncestralStep, DdpmChain, Marginal, Sde};

/// Variance preserving: `f = −β(t)/2`, `g = √β(t)`, `β` linear from `beta_min` to `beta_max`.
///
/// The discretised steps need `steps > beta_max`; with fewer, `1 − βᵢ` is taken as 0 where it is negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vp {
    /// `β(0)`
    pub beta_min: f64,
    /// `β(1)`
    pub beta_max: f64,
}

impl Vp {
    fn beta(&self, t: f64) -> f64 {
        self.beta_min + t * (self.beta_max - self.beta_min)
    }
    /// `∫₀ᵗ β`
    pub(crate) fn beta_integral(&self, t: f64) -> f64 {
        t * self.beta_min + 0.5 * t * t * (self.beta_max - self.beta_min)
    }
    /// The moment at which `∫₀ᵗ β` has this value: the positive root of `Δ t²/2 + β₀ t = integral`, in the
    /// form that does not cancel.
    pub(crate) fn time_of_integral(&self, integral: f64) -> f64 {
        let slope = self.beta_max - self.beta_min;
        let root = (self.beta_min * self.beta_min + 2.0 * slope * integral).sqrt();
        2.0 * integral / (self.beta_min + root)
    }
    /// The Markov chain of `steps` steps that this process is the limit of.
    pub fn chain(&self, steps: usize) -> DdpmChain {
        let last = steps.saturating_sub(1).max(1) as f64;
        DdpmChain::new((0..steps).map(|i| self.beta(i as f64 / last) / steps as f64).collect())
    }

    /// `βᵢ` of the Markov chain with `steps` steps.
    fn grid_beta(&self, t: f64, steps: usize) -> f64 {
        let fraction = grid_index(t, steps) as f64 / steps.saturating_sub(1).max(1) as f64;
        self.beta(fraction) / steps as f64
    }
    /// `1 − βᵢ`
    fn grid_alpha(&self, t: f64, steps: usize) -> f64 {
        (1.0 - self.grid_beta(t, steps)).max(0.0)
    }
}

impl Sde for Vp {
    fn drift(&self, t: f64) -> f64 {
        -0.5 * self.beta(t)
    }
    fn diffusion(&self, t: f64) -> f64 {
        self.beta(t).sqrt()
    }
    fn marginal(&self, t: f64) -> Marginal {
        let integral = self.beta_integral(t);
        Marginal { mean: (-0.5 * integral).exp(), std: (-(-integral).exp_m1()).sqrt() }
    }
    fn prior_std(&self) -> f64 {
        1.0
    }
    fn discretize(&self, t: f64, steps: usize) -> (f64, f64) {
        (self.grid_alpha(t, steps).sqrt() - 1.0, self.grid_beta(t, steps).sqrt())
    }
    fn ancestral(&self, t: f64, steps: usize) -> Option<AncestralStep> {
        let variance = self.grid_beta(t, steps);
        Some(AncestralStep { scale: 1.0 / self.grid_alpha(t, steps).sqrt(), variance, std: variance.sqrt() })
    }
    fn langevin_scale(&self, t: f64, steps: usize) -> f64 {
        self.grid_alpha(t, steps)
    }
}

/// Sub-VP: the drift of [`Vp`], with `g² = β (1 − e^{−2∫β})` and hence `s = 1 − e^{−∫β}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubVp(
    /// The process whose drift it shares.
    pub Vp,
);

impl Sde for SubVp {
    fn drift(&self, t: f64) -> f64 {
        self.0.drift(t)
    }
    fn diffusion(&self, t: f64) -> f64 {
        (self.0.beta(t) * -(-2.0 * self.0.beta_integral(t)).exp_m1()).sqrt()
    }
    fn marginal(&self, t: f64) -> Marginal {
        let integral = self.0.beta_integral(t);
        Marginal { mean: (-0.5 * integral).exp(), std: -(-integral).exp_m1() }
    }
    fn prior_std(&self) -> f64 {
        1.0
    }
    fn langevin_scale(&self, t: f64, steps: usize) -> f64 {
        self.0.langevin_scale(t, steps)
    }
}
