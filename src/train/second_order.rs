//! Training of second order scores: D₂SM.

use super::learner::Learner;
use super::parameters::{Descending, Parameters};
use super::trainer::Batch;
use crate::models::{SecondOrderConfig, SecondOrderModel};
use crate::score::{LowRank, ScoreModel};
use candle_core::{Device, Result, Tensor, bail};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::collections::BTreeMap;

/// How the second order denoising score matching objective is estimated.
///
/// With `u = σ s₁(x̃)`, `N = σ² s₂(x̃) + u uᵀ` and `x̃ = x + σ z` the objective is `σ⁴` times (4.13),
/// `E ‖N + I − z zᵀ‖²`: `z zᵀ − I` given `x̃` has the mean `σ² s₂ + u uᵀ` of an exact model. All norms are
/// computed from products of vectors, never from a `D × D` array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondOrderEstimate {
    /// One draw of `z`, as it stands.
    Plain,
    /// (4.4.3) with `z` and `−z` and the control variate at the clean image, `N₀`:
    /// `½‖N₊‖² + ½‖N₋‖² + (I − z zᵀ)·(N₊ + N₋ − 2N₀) + D² + D`. The same mean; when `σ` goes to 0 and
    /// `s₂` does not grow, neither does its scatter in the units of `s₂`. Three calls of the models.
    Antithetic,
    /// `E ‖I + σ² s₂ − e eᵀ‖²` with the residual `e = z + u` of the denoiser: less scatter where `σ` is
    /// large, and an error of `s₁` enters by its square only, where it enters (4.13) linearly. Differs from
    /// the others by a constant.
    #[default]
    Residual,
}

/// The objective of a second order model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecondOrderObjective {
    /// How it is estimated.
    pub estimate: SecondOrderEstimate,
    /// The least noise level, in model units.
    pub sigma_min: f64,
    /// The largest. `ln σ` is uniform between them.
    pub sigma_max: f64,
}

impl SecondOrderObjective {
    /// The loss of every image, `[batch]`, for clean images and their noise at one noise level, divided by
    /// the number of pixels. Gradients do not reach the first order model.
    ///
    /// # Errors
    /// When a model fails or shapes differ.
    pub fn losses(
        &self,
        model: &SecondOrderModel,
        first: &dyn ScoreModel,
        clean: &Tensor,
        noise: &Tensor,
        std: f64,
    ) -> Result<Tensor> {
        let at = |shift: f64| -> Result<Point> {
            let x = (clean + (noise * (shift * std))?)?;
            let scaled = (first.score(&x, std)?.detach() * std)?;
            let denoised = (&x + (&scaled * std)?)?;
            Ok(Point { covariance: model.matrix(&x, &denoised, std)?, scaled: scaled.flatten_from(1)? })
        };
        let z = noise.flatten_from(1)?;
        let pixels = z.dim(1)? as f64;
        let losses = match self.estimate {
            SecondOrderEstimate::Plain => at(1.0)?.misfit(&z)?,
            SecondOrderEstimate::Residual => at(1.0)?.residual(&z)?,
            SecondOrderEstimate::Antithetic => {
                let (plus, minus, clean) = (at(1.0)?.moment()?, at(-1.0)?.moment()?, at(0.0)?.moment()?);
                let squares = ((plus.squared_norm()? + minus.squared_norm()?)? * 0.5)?;
                let product = |moment: &LowRank| moment.trace()? - moment.quadratic(&z)?;
                let products = ((product(&plus)? + product(&minus)?)? - (product(&clean)? * 2.0)?)?;
                (squares + products)?.affine(1.0, pixels * pixels + pixels)?
            }
        };
        losses / pixels
    }
}

/// What both models say at one noisy image.
struct Point {
    /// `I + σ² s₂`
    covariance: LowRank,
    /// `u`, `[batch, D]`.
    scaled: Tensor,
}

impl Point {
    /// `‖I + σ² s₂ + u uᵀ − z zᵀ‖²`
    fn misfit(self, z: &Tensor) -> Result<Tensor> {
        let u = self.scaled.clone();
        with_factors(self.covariance, &[(&u, 1.0), (z, -1.0)])?.squared_norm()
    }

    /// `‖I + σ² s₂ − e eᵀ‖²`, `e = z + u`
    fn residual(self, z: &Tensor) -> Result<Tensor> {
        let error = (z + &self.scaled)?;
        with_factors(self.covariance, &[(&error, -1.0)])?.squared_norm()
    }

    /// `N = σ² s₂ + u uᵀ`
    fn moment(self) -> Result<LowRank> {
        let mut matrix = with_factors(self.covariance, &[(&self.scaled, 1.0)])?;
        matrix.diagonal = matrix.diagonal.affine(1.0, -1.0)?;
        Ok(matrix)
    }
}

/// The matrix with more factors and their signs.
fn with_factors(mut matrix: LowRank, more: &[(&Tensor, f64)]) -> Result<LowRank> {
    for (factor, sign) in more {
        matrix.factors = Tensor::cat(&[&matrix.factors, &factor.unsqueeze(1)?], 1)?;
        matrix.signs.push(*sign);
    }
    Ok(matrix)
}

/// A second order model in training, on top of a first order model that stays as it is.
pub struct SecondOrderTrainer<M> {
    objective: SecondOrderObjective,
    first: M,
    model: SecondOrderModel,
    parameters: Parameters,
}

impl<M: ScoreModel> SecondOrderTrainer<M> {
    /// Starts from these parameters, such as those of [`crate::models::HeadConfig::initial`] with a random
    /// last layer: from factors `b = 0` no gradient leads away.
    ///
    /// # Errors
    /// When a parameter is missing or of another shape, or the noise levels are not positive and in order.
    pub fn new(
        config: SecondOrderConfig,
        objective: SecondOrderObjective,
        first: M,
        descending: Descending,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let (low, high) = (objective.sigma_min, objective.sigma_max);
        if !(low > 0.0 && low <= high && high.is_finite()) {
            bail!("noise levels from {low} to {high} are not positive and in order")
        }
        let parameters = Parameters::new(config.parameters(), tensors, descending, device)?;
        let model = SecondOrderModel::new(config, &|name| parameters.get(name))?;
        Ok(Self { objective, first, model, parameters })
    }

    /// The model as it is in training.
    pub fn model(&self) -> &SecondOrderModel {
        &self.model
    }
}

impl<M: ScoreModel> Learner for SecondOrderTrainer<M> {
    type Batch = Batch;

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    /// One noise level for all images: a score model takes one at a time.
    fn draw(&self, clean: Tensor, rng: &mut ChaCha8Rng) -> Result<Batch> {
        let (low, high) = (self.objective.sigma_min.ln(), self.objective.sigma_max.ln());
        let level = (low + (high - low) * rng.random::<f64>()).exp() as f32;
        let noise: Vec<f32> = (0..clean.elem_count()).map(|_| rng.sample(StandardNormal)).collect();
        Ok(Batch {
            sigmas: Tensor::full(level, clean.dim(0)?, clean.device())?,
            noise: Tensor::from_vec(noise, clean.shape(), clean.device())?,
            clean,
        })
    }

    fn images(batch: &Batch) -> usize {
        batch.sigmas.elem_count()
    }

    fn part(batch: &Batch, from: usize, count: usize) -> Result<Batch> {
        Ok(Batch {
            clean: batch.clean.narrow(0, from, count)?,
            noise: batch.noise.narrow(0, from, count)?,
            sigmas: batch.sigmas.narrow(0, from, count)?,
        })
    }

    /// The mean of [`SecondOrderObjective::losses`], at the level of the first image.
    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        let std = f64::from(batch.sigmas.get(0)?.to_scalar::<f32>()?);
        self.objective.losses(&self.model, &self.first, &batch.clean, &batch.noise, std)?.mean_all()
    }
}
