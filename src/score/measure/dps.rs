//! Diffusion posterior sampling.

use super::{Guidance, Measured, Weighting};
use crate::score::tensors::scaled;
use candle_core::{Result, Tensor, bail};

/// Diffusion posterior sampling (Chung, Kim, Mccann, Klasky and Ye, "Diffusion Posterior Sampling for General Noisy
/// Inverse Problems", 2023): the denoised image `D` is taken for the clean one, `p(y | x; σ) ≈ p(y | x₀ = D)`.
///
/// For [`super::GuidedDenoiser`], which makes `J_Dᵀ Aᴴ(y − A D)/w` of it.
///
/// Known bias: that `D` has an error of its own is left out. For a Gaussian prior of variance `v` the exact factor
/// is `(r² A Aᴴ + n² I)⁻¹` with `r² = σ²v/(σ² + v)`, see [`super::PseudoInverse`]; without `r²` measured components
/// are pulled too hard while `σ` is large, and their spread comes out too small.
pub struct Dps<M> {
    /// `y`, `A` and `n`.
    pub measurement: M,
    /// `w`
    pub weight: DpsWeight,
}

/// What the slope of `‖y − A D‖²/2` is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DpsWeight {
    /// `n²`, that of a Gaussian likelihood, entry by entry. Steps of length `h` in `ln σ` are stable while
    /// `h ‖A‖² v/n²` is at most about 8 for a prior of variance `v`.
    Likelihood,
    /// `σ² ‖y − A D‖/ζ`, what the paper's experiments do: a step of length `h` in `ln σ` of the
    /// reverse-time SDE moves the image by `2 ζ h ∇‖y − A D‖`, whatever the noise in the data. The paper gives
    /// `ζ' = ζ h` for a step. Data without noise can be used. Where steps of `ln σ` are uneven, as in even times of VP
    /// and sub-VP, the longest overshoot: take even ones, as those of VE.
    Residual {
        /// `ζ`, a length in the space of images.
        step: f64,
    },
}

impl<M: Measured> Guidance for Dps<M> {
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor> {
        match self.weight {
            DpsWeight::Likelihood => {
                let variance = self.measurement.noise_variance();
                if variance.is_nan() || variance <= 0.0 {
                    bail!("the likelihood of data without noise has no slope; weigh by the residual instead");
                }
                self.measurement.pull(u, Weighting::Likelihood { variance: 0.0 })
            }
            DpsWeight::Residual { step } => {
                let inverse = |length: f64| if length > 0.0 { step / (length * std * std) } else { 0.0 };
                let factors: Vec<f64> = self.measurement.distance(u)?.into_iter().map(inverse).collect();
                scaled(&self.measurement.pull(u, Weighting::Even(1.0))?, &factors)
            }
        }
    }
}
