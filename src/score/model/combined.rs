//! Several noisy images of the same clean one.

use crate::score::ScoreModel;
use crate::score::tensors::dot;
use candle_core::{DType, Result, Tensor, bail};
use std::f64::consts::TAU;

/// What `Y_m = x₀ + σ_m z_m`, `m = 1 … M`, with independent noise say together about `x₀`.
///
/// The precision-weighted mean `ȳ = v Σ Y_m/σ_m²`, `v = 1/Σ σ_m⁻²`, is sufficient: the density of all
/// (the "M-density" of Saremi and Srivastava, "Multimeasurement Generative Models", 2022) is that of `ȳ` at
/// noise level `√v` times a factor without `x₀`. A score model for one noisy image therefore serves for any
/// number.
#[derive(Clone, Debug)]
pub struct Combined {
    /// `ȳ`
    pub image: Tensor,
    /// `√v`, its noise level.
    pub std: f64,
    /// `log p(Y₁ … Y_M) − log p(ȳ; √v)` of every image of the batch, in nats.
    pub log_factor: Vec<f64>,
}

impl Combined {
    /// Of images with their noise levels.
    ///
    /// # Errors
    /// When there is none, a level is not positive, or shapes differ.
    pub fn new(noisy: &[(Tensor, f64)]) -> Result<Self> {
        let Some((first, _)) = noisy.first() else { bail!("no noisy image to combine") };
        if let Some((_, std)) = noisy.iter().find(|(_, std)| !(*std > 0.0 && std.is_finite())) {
            bail!("a noise level must be positive, not {std}")
        }
        let variance = 1.0 / noisy.iter().map(|(_, std)| std.powi(-2)).sum::<f64>();
        let mut image = first.zeros_like()?;
        for (y, std) in noisy {
            image = (image + (y * (variance / (std * std)))?)?;
        }
        let log_factor = log_factor(noisy, &image, variance)?;
        Ok(Self { image, std: variance.sqrt(), log_factor })
    }

    /// The Bayes estimator `E[x₀ | Y₁ … Y_M] = ȳ + v ∇ log p(ȳ; √v)`.
    ///
    /// # Errors
    /// As [`ScoreModel::denoise`].
    pub fn denoise(&self, model: &dyn ScoreModel) -> Result<Tensor> {
        model.denoise(&self.image, self.std)
    }

    /// `∇ log p(Y₁ … Y_M)` by each of them: `(x̂ − Y_m)/σ_m²`.
    ///
    /// # Errors
    /// As [`ScoreModel::denoise`], and when the images are not those that were combined.
    pub fn scores(&self, model: &dyn ScoreModel, noisy: &[(Tensor, f64)]) -> Result<Vec<Tensor>> {
        let clean = self.denoise(model)?;
        noisy.iter().map(|(y, std)| (&clean - y)? / (std * std)).collect()
    }
}

/// `Π N(Y_m; x, σ_m²) = N(ȳ; x, v) · factor`, for every `x`.
fn log_factor(noisy: &[(Tensor, f64)], image: &Tensor, variance: f64) -> Result<Vec<f64>> {
    let pixels = (image.elem_count() / image.dim(0)?.max(1)) as f64;
    let log_volume = |variance: f64| 0.5 * pixels * (TAU * variance).ln();
    let mut squares = Tensor::zeros(image.dim(0)?, DType::F64, image.device())?;
    let mut constant = log_volume(variance);
    for (y, std) in noisy {
        let off = (y - image)?;
        squares = (squares + (dot(&off, &off)? / (std * std))?)?;
        constant -= log_volume(std * std);
    }
    squares.affine(-0.5, constant)?.to_vec1()
}
