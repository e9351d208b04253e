//! Guidance by the pseudo-inverse.

use super::{Guidance, Measured};
use candle_core::{Result, Tensor};

/// Pseudo-inverse guidance, ΠGDM (Song, Vahdat, Mardani and Kautz, "Pseudoinverse-Guided Diffusion Models for
/// Inverse Problems", 2023): the clean image is taken as `N(D, r² I)` around the denoised one, so that
/// `y ~ N(A D, r² A Aᴴ + n² I)`.
///
/// For [`super::GuidedDenoiser`], which makes `J_Dᵀ Aᴴ(r² A Aᴴ + n² I)⁻¹(y − A D)` of it. For a Gaussian prior of
/// variance `v` this is the score of the posterior; every sampler of unconditional images then samples the posterior.
/// The factor that the paper puts before it in its experiments, and which it needs where `r²` is wrong, is left out.
///
/// Known bias: for other priors the error of `D` is neither Gaussian nor the same in all directions.
pub struct PseudoInverse<M> {
    /// `y`, `A` and `n`; `n = 0` is allowed.
    pub measurement: M,
    /// `v` in `r² = σ²v/(σ² + v)`, in squared model units. [`PseudoInverse::new`] takes 1, the paper's.
    pub prior_variance: f64,
    /// Conjugate-gradient steps for the inverse.
    pub iterations: usize,
}

impl<M> PseudoInverse<M> {
    /// With `r² = σ²/(σ² + 1)`, for images of unit variance, and 20 steps.
    pub fn new(measurement: M) -> Self {
        Self { measurement, prior_variance: 1.0, iterations: 20 }
    }
}

impl<M: Measured> Guidance for PseudoInverse<M> {
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor> {
        let (prior, noise) = (self.prior_variance, std * std);
        self.measurement.whitened(u, prior * noise / (prior + noise), self.iterations)
    }
}
