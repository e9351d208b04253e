//! One network in training.

use super::adam::{Adam, AdamSettings, follow};
use crate::models::{Preconditioning, Unet, UnetConfig};
use candle_core::{Device, Result, Tensor, Var, bail};
use rand::{RngExt, SeedableRng};
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

impl Default for Objective {
    fn default() -> Self {
        Self { sigma_data: 0.3, sigma_median: 0.1, sigma_spread: 1.4 }
    }
}

/// How much of the average of the weights stays in a step.
const AVERAGE: f64 = 0.9995;

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
    config: UnetConfig,
    objective: Objective,
    network: Unet,
    pub(super) variables: BTreeMap<String, Var>,
    pub(super) average: BTreeMap<String, Tensor>,
    pub(super) adam: Adam,
    pub(super) steps: u64,
}

impl Trainer {
    /// Starts from these parameters; the optimiser starts afresh.
    ///
    /// # Errors
    /// When a parameter is missing or of another shape.
    pub fn new(
        config: &UnetConfig,
        objective: Objective,
        parameters: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let variable = |(name, shape): (String, Vec<usize>)| match parameters.get(&name) {
            Some(t) if t.dims() == shape => Ok((name, Var::from_tensor(&t.to_device(device)?)?)),
            Some(t) => bail!("parameter {name} has shape {:?} instead of {shape:?}", t.dims()),
            None => bail!("no parameter {name}"),
        };
        let variables: BTreeMap<String, Var> =
            config.parameters().into_iter().map(variable).collect::<Result<_>>()?;
        let get = |name: &str| match variables.get(name) {
            Some(v) => Ok(v.as_tensor().clone()),
            None => bail!("no parameter {name}"),
        };
        let network = Unet::new(config, &get)?;
        // Deep copies: a variable changes in place.
        let average = variables.iter().map(|(n, v)| Ok((n.clone(), v.as_tensor().detach().copy()?)));
        let average = average.collect::<Result<_>>()?;
        let adam = Adam::new(&variables, AdamSettings::default())?;
        Ok(Self { config: config.clone(), objective, network, average, adam, variables, steps: 0 })
    }

    /// The size of the network.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// The loss.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The averaged weights: what a bundle holds.
    pub fn average(&self) -> &BTreeMap<String, Tensor> {
        &self.average
    }

    /// The parameters as they are.
    pub fn variables(&self) -> &BTreeMap<String, Var> {
        &self.variables
    }

    /// `mean |F(c_in y, c_noise) − (x − c_skip y)/c_out|²` with `y = x + σ z`: the EDM-weighted error of the
    /// denoiser, 1 when nothing is known beyond mean and variance.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn loss(&self, batch: &Batch) -> Result<Tensor> {
        let column = (batch.sigmas.elem_count(), 1, 1, 1);
        let c = Preconditioning::new(&batch.sigmas, self.objective.sigma_data)?;
        let noisy = (&batch.clean + batch.noise.broadcast_mul(&batch.sigmas.reshape(column)?)?)?;
        let target = (&batch.clean - noisy.broadcast_mul(&c.skip)?)?.broadcast_div(&c.output)?;
        let found = self.network.forward(&noisy.broadcast_mul(&c.input)?, &c.condition)?;
        (found - target)?.sqr()?.mean_all()
    }

    /// One step of gradient descent; returns the loss before it.
    ///
    /// # Errors
    /// When a tensor operation fails or the loss is not finite.
    pub fn step(&mut self, batch: &Batch, learning_rate: f64) -> Result<f32> {
        let loss = self.loss(batch)?;
        let value = loss.to_scalar::<f32>()?;
        if !value.is_finite() {
            bail!(
                "the loss is {value} at step {}: use a smaller --rate or look for broken images",
                self.steps
            );
        }
        let grads = loss.backward()?;
        self.steps += 1;
        self.adam.step(&self.variables, &grads, self.steps, learning_rate)?;
        follow(&mut self.average, &self.variables, self.steps, AVERAGE)?;
        Ok(value)
    }
}

/// Random parameters: uniform in `±1/√fan_in`, norms at the identity, and zero where a block or the network
/// ends, so that each block starts as its skip.
///
/// # Errors
/// When memory runs out.
pub fn initial_parameters(config: &UnetConfig, seed: u64) -> Result<BTreeMap<String, Tensor>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bound = 1.0;
    let draw = |(name, shape): (String, Vec<usize>)| {
        let count: usize = shape.iter().product();
        let weight = name.ends_with(".weight");
        if weight {
            bound = 1.0 / (shape[1..].iter().product::<usize>() as f32).sqrt();
        }
        let values = if name.contains("norm") {
            vec![if weight { 1.0 } else { 0.0 }; count]
        } else if name.contains("conv2.") || name.starts_with("out.") {
            vec![0.0; count]
        } else {
            (0..count).map(|_| rng.random_range(-bound..bound)).collect()
        };
        Ok((name, Tensor::from_vec(values, shape, &Device::Cpu)?))
    };
    config.parameters().into_iter().map(draw).collect()
}
