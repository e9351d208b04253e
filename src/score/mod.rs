//! The score-based stack: SDEs, updates, the sampler, and consistency with a measurement.

use candle_core::{Result, Tensor};

/// The score `∇ₓ log pₜ(x)` of a prior blurred to noise level `std`, for a batch `[b, c, row, col]`.
pub trait ScoreModel: Send + Sync {
    /// `∇ₓ log p(x; std)` for `x = x₀ + std z`.
    ///
    /// # Errors
    /// When the tensor operations behind it fail (device, memory, shape).
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor>;

    /// The posterior mean `E[x₀ | x] = x + std² score(x)` (Tweedie).
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        x + self.score(x, std)?.affine(std * std, 0.0)?
    }
}
