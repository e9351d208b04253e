//! The Markov chains that the VE and VP processes are limits of.
//!
//! SMLD: `xᵢ = xᵢ₋₁ + √(σᵢ² − σᵢ₋₁²) zᵢ` (Song and Ermon 2019); DDPM: `xᵢ = √(1 − βᵢ) xᵢ₋₁ + √βᵢ zᵢ` (Ho et al.
//! 2020). As processes they stand at the step that time `t` falls into, for networks that were trained on the
//! steps alone. Steps are counted from 0; a sampler should take as many as the chain has.

use super::sde::grid_index;
use super::{AncestralStep, Marginal, Sde};

/// Noise added in steps: VE in discrete time.
#[derive(Clone, Debug, PartialEq)]
pub struct SmldChain {
    /// Noise levels, rising, of every step.
    pub(in crate::score) sigmas: Vec<f64>,
}

impl SmldChain {
    /// A chain of these noise levels; `None` unless they rise from above 0.
    pub fn new(sigmas: Vec<f64>) -> Option<Self> {
        let rises = sigmas.windows(2).all(|pair| pair[0] < pair[1]);
        (rises && sigmas.first().is_some_and(|first| *first > 0.0)).then_some(Self { sigmas })
    }

    /// `σᵢ`, rising.
    pub fn sigmas(&self) -> &[f64] {
        &self.sigmas
    }

    /// `(σᵢ, σᵢ₋₁)` with `σ₋₁ = 0`.
    fn levels(&self, t: f64) -> (f64, f64) {
        let i = grid_index(t, self.sigmas.len());
        (self.sigmas[i], if i == 0 { 0.0 } else { self.sigmas[i - 1] })
    }

    /// `√(σᵢ² − σᵢ₋₁²)`
    fn added(&self, t: f64) -> f64 {
        let (sigma, below) = self.levels(t);
        (sigma * sigma - below * below).sqrt()
    }
}

impl Sde for SmldChain {
    fn drift(&self, _t: f64) -> f64 {
        0.0
    }
    fn diffusion(&self, t: f64) -> f64 {
        self.added(t) * (self.sigmas.len() as f64).sqrt()
    }
    fn marginal(&self, t: f64) -> Marginal {
        Marginal { mean: 1.0, std: self.levels(t).0 }
    }
    fn prior_std(&self) -> f64 {
        self.sigmas[self.sigmas.len() - 1]
    }
    fn discretize(&self, t: f64, _steps: usize) -> (f64, f64) {
        (0.0, self.added(t))
    }
    fn ancestral(&self, t: f64, _steps: usize) -> Option<AncestralStep> {
        let (sigma, below) = self.levels(t);
        let added = self.added(t);
        Some(AncestralStep { scale: 1.0, variance: added * added, std: below * added / sigma })
    }
}

/// Signal replaced by noise in steps: VP in discrete time.
#[derive(Clone, Debug, PartialEq)]
pub struct DdpmChain {
    betas: Vec<f64>,
    kept: Vec<f64>,
}

impl DdpmChain {
    /// A chain with these `βᵢ`, each cut to `[0, 1]`; an empty list counts as one step that changes nothing.
    pub fn new(mut betas: Vec<f64>) -> Self {
        if betas.is_empty() {
            betas.push(0.0);
        }
        betas.iter_mut().for_each(|beta| *beta = beta.clamp(0.0, 1.0));
        let kept = betas.iter().scan(1.0, |product, beta| {
            *product *= 1.0 - beta;
            Some(*product)
        });
        Self { kept: kept.collect(), betas }
    }

    /// `βᵢ`
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// `ᾱᵢ = Πⱼ₌₀ⁱ (1 − βⱼ)`, the share of the clean image's variance that is left.
    pub fn kept(&self) -> &[f64] {
        &self.kept
    }

    fn beta(&self, t: f64) -> f64 {
        self.betas[grid_index(t, self.betas.len())]
    }
}

impl Sde for DdpmChain {
    fn drift(&self, t: f64) -> f64 {
        -0.5 * self.beta(t) * self.betas.len() as f64
    }
    fn diffusion(&self, t: f64) -> f64 {
        (self.beta(t) * self.betas.len() as f64).sqrt()
    }
    fn marginal(&self, t: f64) -> Marginal {
        let kept = self.kept[grid_index(t, self.kept.len())];
        Marginal { mean: kept.sqrt(), std: (1.0 - kept).sqrt() }
    }
    fn prior_std(&self) -> f64 {
        1.0
    }
    fn discretize(&self, t: f64, _steps: usize) -> (f64, f64) {
        let beta = self.beta(t);
        ((1.0 - beta).sqrt() - 1.0, beta.sqrt())
    }
    fn ancestral(&self, t: f64, _steps: usize) -> Option<AncestralStep> {
        let beta = self.beta(t);
        Some(AncestralStep { scale: 1.0 / (1.0 - beta).sqrt(), variance: beta, std: beta.sqrt() })
    }
    fn langevin_scale(&self, t: f64, _steps: usize) -> f64 {
        1.0 - self.beta(t)
    }
}
