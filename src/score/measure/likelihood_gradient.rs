//! Guidance of annealed Langevin dynamics by the likelihood of the noisy image.

use super::{Guidance, Measured, Weighting};
use candle_core::{Result, Tensor, bail};

/// `Aᴴ(y − A x)/((c σ)² + n²)` (Jalal et al., "Robust Compressed Sensing MRI with Deep Generative Priors", 2021):
/// the measurement is compared with the noisy image as if its noise had grown with that of the image.
///
/// For [`super::GuidedMove`] with Langevin moves alone. In the variables of a process, `x = m x₀ + s z`, it is the slope
/// of `−‖m y − A x‖²/(2 (c s)² + 2 (m n)²)`. The published medical code has `n = 0` and calls `c` the projection
/// rate.
///
/// Moves of [`crate::score::moves::AnnealedLangevin`] are stable for `snr ‖A‖ < c`.
///
/// Known bias: while `σ` is not small the true likelihood of a noisy image is about the denoised image, not the noisy
/// one. For `σ → 0` and `n > 0` this one becomes true, so that a Langevin chain which is given the time to forget
/// ends right.
pub struct LikelihoodGradient<M> {
    /// `y`, `A` and `n`.
    pub measurement: M,
    /// `c`
    pub coefficient: f64,
}

impl<M: Measured> Guidance for LikelihoodGradient<M> {
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor> {
        let variance = (self.coefficient * std).powi(2);
        let least = variance + self.measurement.noise_variance();
        if least.is_nan() || least <= 0.0 {
            bail!("a likelihood gradient needs noise in the data or a coefficient above 0");
        }
        self.measurement.pull(u, Weighting::Likelihood { variance })
    }
}
