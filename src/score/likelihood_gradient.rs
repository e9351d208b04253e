//! Guidance of annealed Langevin dynamics by the likelihood of the noisy image.

use super::{Guidance, Measurement};
use candle_core::{Result, Tensor, bail};
use ndarray::Array2;
use recon_operators::Transform;

/// `Aᴴ(y − A x)/((c σ)² + n²)` (Jalal et al., "Robust Compressed Sensing MRI with Deep Generative Priors", 2021):
/// the measurement is compared with the noisy image as if its noise had grown with that of the image.
///
/// For [`super::GuidedMove`] with Langevin moves alone. In the variables of a process, `x = m x₀ + s z`, it is the slope
/// of `−‖m y − A x‖²/(2 (c s)² + 2 (m n)²)`. The published medical code has `n = 0` and calls `c` the projection
/// rate.
///
/// Moves of [`super::AnnealedLangevin`] are stable for `snr ‖A‖ < c`.
///
/// Known bias: while `σ` is not small the true likelihood of a noisy image is about the denoised image, not the noisy
/// one. For `σ → 0` and `n > 0` this one becomes true, so that a Langevin chain which is given the time to forget
/// ends right.
pub struct LikelihoodGradient<'a, T: Transform> {
    /// `y`, `A` and `n`.
    pub measurement: Measurement<'a, T>,
    /// `c`
    pub coefficient: f64,
}

impl<T: Transform<Image = Array2<f32>>> Guidance for LikelihoodGradient<'_, T> {
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor> {
        let variance = (self.coefficient * std).powi(2) + self.measurement.noise_variance();
        if variance.is_nan() || variance <= 0.0 {
            bail!("a likelihood gradient needs noise in the data or a coefficient above 0");
        }
        self.measurement.back_projected(u)? / variance
    }
}
