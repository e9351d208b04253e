//! A learned second order score.

use super::{Head, HeadConfig, Parameter};
use crate::score::{LowRank, LowRankCovariance, ScoreModel};
use candle_core::{Result, Tensor};
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// The covariance of clean images given noisy ones, learned on top of a score model.
///
/// The dissertation's section 4.4.2 takes `s₂ = diag(α) + β βᵀ` with `β` of low rank for the Hessian of
/// `log p`. In the units of the noise and with Tweedie's formula (4.18) that is
///
/// ```text
/// Cov[x₀ | x]/σ² = I + σ² s₂ = diag(a) + Σᵢ bᵢ bᵢᵀ,    a = 1 + σ² α,  b = σ β
/// ```
///
/// and `a > 0` makes it positive definite, as a covariance is. A mixture of isotropic normals with `K`
/// components has exactly this form with rank `K − 1`. The [`Head`] is given the noisy image, the denoised
/// one and `ln σ`, so that what the score model knows of the whole image reaches every pixel. Its output 0
/// stands for `a = σ_d²/(σ_d² + σ²)`, the covariance of a Gaussian of spread `σ_d`, and `b` is in units of
/// the root of that. One call of the score model and one of the head give all variances, where probing a
/// Jacobian takes a gradient of the network for each probe.
pub struct SecondOrderModel {
    head: Head,
    config: SecondOrderConfig,
}

/// How a second order model is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecondOrderConfig {
    /// The network's body.
    pub body: super::HeadBody,
    /// How many `bᵢ`.
    pub rank: usize,
    /// Spread of clean pixels in model units.
    pub sigma_data: f64,
}

impl SecondOrderConfig {
    /// The network: noisy and denoised image in, `a` and the `bᵢ` out.
    pub fn head(&self) -> HeadConfig {
        HeadConfig { body: self.body, inputs: 2, outputs: 1 + self.rank }
    }

    /// Name and shape of every parameter.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.head().parameters()
    }
}

impl SecondOrderModel {
    /// The model over the parameters that `get` finds by name.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn new(config: SecondOrderConfig, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { head: Head::new(config.head(), get)?, config })
    }

    /// The model over tensors by name, such as those that training has averaged.
    ///
    /// # Errors
    /// When one is missing.
    pub fn of_tensors(config: SecondOrderConfig, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let get = |name: &str| match tensors.get(name) {
            Some(tensor) => Ok(tensor.clone()),
            None => candle_core::bail!("no parameter {name}"),
        };
        Self::new(config, &get)
    }

    /// `Cov[x₀ | x]/σ²` for single channel images `x` `[batch, 1, row, col]` and what they are without noise,
    /// `E[x₀ | x]`.
    ///
    /// # Errors
    /// When shapes do not fit or a tensor operation fails.
    pub fn matrix(&self, x: &Tensor, denoised: &Tensor, std: f64) -> Result<LowRank> {
        let batch = x.dim(0)?;
        let scale = 1.0 / (std * std + self.config.sigma_data.powi(2)).sqrt();
        let features = Tensor::cat(&[&(x * scale)?, denoised], 1)?;
        let level = Tensor::full((0.25 * std.ln()) as f32, batch, x.device())?;
        let out = self.head.forward(&features, &level)?;
        let flat = |from: usize, count: usize| out.narrow(1, from, count)?.contiguous()?.flatten_from(2);
        let rank = self.config.rank;
        let gaussian = (self.config.sigma_data * scale).powi(2);
        Ok(LowRank {
            diagonal: (softplus(&flat(0, 1)?.squeeze(1)?)? * (gaussian / LN_2))?,
            factors: (flat(1, rank)? * gaussian.sqrt())?,
            signs: vec![1.0; rank],
        })
    }

    /// The covariance of the clean images given noisy ones `x`, with the score model that this one was
    /// trained on.
    ///
    /// # Errors
    /// When the score model fails or shapes do not fit.
    pub fn covariance(&self, first: &dyn ScoreModel, x: &Tensor, std: f64) -> Result<LowRankCovariance> {
        let denoised = first.denoise(x, std)?;
        Ok(LowRankCovariance {
            matrix: self.matrix(x, &denoised, std)?,
            variance: std * std,
            images: x.clone(),
        })
    }
}

/// `ln(1 + eˣ)`, in the form that does not overflow.
pub(crate) fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + x.abs()?.neg()?.exp()?.affine(1.0, 1.0)?.log()?
}
