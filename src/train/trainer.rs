//! The program's own network in training, as a denoiser.

use super::learner::Learner;
use super::parameters::{Descending, Parameters};
use crate::models::{Parameter, Preconditioning, Unet, UnetConfig};
use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;

/// The loss: denoising with noise levels `ln σ ~ N(ln sigma_median, sigma_spread²)` (Karras et al. 2022).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// `σ_data`, the spread of clean pixels, in model units.
    pub sigma_data: f64,
    /// The median noise level, in model units.
    pub sigma_median: f64,
    /// The spread of `ln σ`.
    pub sigma_spread: f64,
}

impl Objective {
    /// Three spreads about the median, which hold 99.7 % of the noise levels.
    pub fn noise_range(&self) -> (f64, f64) {
        let factor = (3.0 * self.sigma_spread).exp();
        (self.sigma_median / factor, self.sigma_median * factor)
    }
}

impl Default for Objective {
    fn default() -> Self {
        Self { sigma_data: 0.3, sigma_median: 0.1, sigma_spread: 1.4 }
    }
}

/// What one step learns from.
pub struct Batch {
    /// Clean images in model units, `[batch, 1, row, col]`.
    pub clean: Tensor,
    /// Standard normal noise of the same shape.
    pub noise: Tensor,
    /// Noise levels, `[batch]`.
    pub sigmas: Tensor,
}

impl Batch {
    /// Adds noise and noise levels from `rng` to clean images, `[batch, 1, row, col]`.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn new(clean: Tensor, objective: &Objective, rng: &mut ChaCha8Rng) -> Result<Self> {
        let mut normal = || -> f32 { StandardNormal.sample(rng) };
        let log = |z: f32| objective.sigma_median.ln() as f32 + objective.sigma_spread as f32 * z;
        let sigmas: Vec<f32> = (0..clean.dim(0)?).map(|_| log(normal()).exp()).collect();
        let noise: Vec<f32> = (0..clean.elem_count()).map(|_| normal()).collect();
        Ok(Self {
            sigmas: Tensor::from_vec(sigmas, clean.dim(0)?, clean.device())?,
            noise: Tensor::from_vec(noise, clean.shape(), clean.device())?,
            clean,
        })
    }
}

/// A network, its optimiser and its average.
pub struct Trainer {
    objective: Objective,
    network: Unet,
    parameters: Parameters,
}

impl Trainer {
    /// Starts from these parameters; the optimiser starts afresh.
    ///
    /// # Errors
    /// When a parameter is missing or of another shape.
    pub fn new(
        config: &UnetConfig,
        objective: Objective,
        descending: Descending,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let listed = config.parameters().into_iter().map(|(name, shape)| Parameter::trainable(name, shape));
        let parameters = Parameters::new(listed.collect(), tensors, descending, device)?;
        let network = Unet::new(config, &|name| parameters.get(name))?;
        Ok(Self { objective, network, parameters })
    }
}

impl Learner for Trainer {
    type Batch = Batch;

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    fn draw(&self, clean: Tensor, rng: &mut ChaCha8Rng) -> Result<Batch> {
        Batch::new(clean, &self.objective, rng)
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

    /// `mean |F(c_in y, c_noise) − (x − c_skip y)/c_out|²` with `y = x + σ z`: the EDM-weighted error of the
    /// denoiser, 1 when nothing is known beyond mean and variance.
    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        let column = (batch.sigmas.elem_count(), 1, 1, 1);
        let c = Preconditioning::new(&batch.sigmas, self.objective.sigma_data)?;
        let noisy = (&batch.clean + batch.noise.broadcast_mul(&batch.sigmas.reshape(column)?)?)?;
        let target = (&batch.clean - noisy.broadcast_mul(&c.skip)?)?.broadcast_div(&c.output)?;
        let found = self.network.forward(&noisy.broadcast_mul(&c.input)?, &c.condition)?;
        (found - target)?.sqr()?.mean_all()
    }
}
