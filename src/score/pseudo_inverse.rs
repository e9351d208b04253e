//! Guidance by the pseudo-inverse.

use super::{Guidance, Measurement};
use candle_core::{Result, Tensor};
use ndarray::Array2;
use recon_operators::Transform;

/// Pseudo-inverse guidance, ΠGDM (Song, Vahdat, Mardani and Kautz, "Pseudoinverse-Guided Diffusion Models for
/// Inverse Problems", 2023): the clean image is taken as `N(D, r² I)` around the denoised one, so that
/// `y ~ N(A D, r² A Aᴴ + n² I)`.
///
/// For [`super::GuidedDenoiser`], which makes `J_Dᵀ Aᴴ(r² A Aᴴ + n² I)⁻¹(y − A D)` of it. For a Gaussian prior of
/// variance `v` this is the score of the posterior; every sampler of unconditional images then samples the posterior.
/// The factor that the paper puts before it in its experiments, and which it needs where `r²` is wrong, is left out.
///
/// Known bias: for other priors the error of `D` is neither Gaussian nor the same in all directions.
pub struct PseudoInverse<'a, T: Transform> {
    /// `y`, `A` and `n`; `n = 0` is allowed.
    pub measurement: Measurement<'a, T>,
    /// `v` in `r² = σ²v/(σ² + v)`, in squared model units. [`PseudoInverse::new`] takes 1, the paper's.
    pub prior_variance: f64,
    /// Conjugate-gradient steps for the inverse.
    pub iterations: usize,
}

impl<'a, T: Transform> PseudoInverse<'a, T> {
    /// With `r² = σ²/(σ² + 1)`, for images of unit variance, and 20 steps.
    pub fn new(measurement: Measurement<'a, T>) -> Self {
        Self { measurement, prior_variance: 1.0, iterations: 20 }
    }
}

impl<T: Transform<Image = Array2<f32>>> Guidance for PseudoInverse<'_, T> {
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor> {
        let (prior, noise) = (self.prior_variance, std * std);
        self.measurement.whitened(u, prior * noise / (prior + noise), self.iterations)
    }
}
