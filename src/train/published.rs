//! Training of published networks as their authors trained them.
//!
//! Source: Song et al. 2021: denoising score matching over continuous time, Adam with a warm-up and a bound on
//! the gradient, and a moving average of the weights.

use super::adam::{Adam, AdamSettings, follow};
use crate::models::{ArchFile, Conditioning, ScoreNetwork};
use candle_core::{Device, Result, Tensor, Var, bail};
use std::collections::BTreeMap;

/// What training asks of the network and of the optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreObjective {
    /// What is made of the squared errors of an image.
    pub reduction: Reduction,
    /// The optimiser.
    pub adam: AdamSettings,
    /// The learning rate after the warm-up.
    pub rate: f64,
    /// Steps over which the learning rate grows from 0, in proportion; 0 for none.
    pub warmup: u64,
    /// How much of the average of the weights stays in a step, in the end.
    pub average: f64,
}

/// What is made of the squared errors of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    Mean,
    /// Half their sum.
    HalfSum,
}

/// What one step learns from.
pub struct ScoreBatch {
    /// Clean images in the value range of the data, `[batch, channel, row, col]`.
    pub clean: Tensor,
    /// Standard normal noise of the same shape.
    pub noise: Tensor,
    /// How the network is to be asked about each image, [`ArchFile::conditioning`] of a noise level each.
    pub levels: Vec<Conditioning>,
}

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The loss before the step.
    pub loss: f64,
    /// The length of the gradient before it was shortened.
    pub gradient: f64,
}

/// A published network, its optimiser and its average.
pub struct ScoreTrainer {
    network: ScoreNetwork,
    objective: ScoreObjective,
    variables: BTreeMap<String, Var>,
    average: BTreeMap<String, Tensor>,
    adam: Adam,
    steps: u64,
}

impl ScoreTrainer {
    /// Starts from these tensors; those that training leaves alone stay as they are.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape.
    pub fn new(
        arch: &ArchFile,
        objective: ScoreObjective,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let mut variables = BTreeMap::new();
        for parameter in arch.parameters().into_iter().filter(|p| p.trainable) {
            let Some(tensor) = tensors.get(&parameter.name) else { bail!("no tensor {}", parameter.name) };
            variables.insert(parameter.name, Var::from_tensor(&tensor.to_device(device)?)?);
        }
        let get = |name: &str| match (variables.get(name), tensors.get(name)) {
            (Some(variable), _) => Ok(variable.as_tensor().clone()),
            (None, Some(tensor)) => tensor.to_device(device),
            (None, None) => bail!("no tensor {name}"),
        };
        let network = ScoreNetwork::new(arch, &get)?;
        // Deep copies: a variable changes in place.
        let copy = |(n, v): (&String, &Var)| Ok((n.clone(), v.as_tensor().detach().copy()?));
        let average = variables.iter().map(copy).collect::<Result<_>>()?;
        let adam = Adam::new(&variables, objective.adam)?;
        Ok(Self { network, objective, variables, average, adam, steps: 0 })
    }

    /// The averaged weights.
    pub fn average(&self) -> &BTreeMap<String, Tensor> {
        &self.average
    }

    /// The parameters as they are.
    pub fn variables(&self) -> &BTreeMap<String, Var> {
        &self.variables
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The mean over images of the reduced `(s score(m x + s z) + z)²`, which is `(s output + z)²` for VE and
    /// `(z − output)²` for VP and sub-VP.
    ///
    /// # Errors
    /// When shapes do not fit or a tensor operation fails.
    pub fn loss(&self, batch: &ScoreBatch) -> Result<Tensor> {
        score_matching(&self.network, self.objective.reduction, batch)
    }

    /// One step of gradient descent.
    ///
    /// # Errors
    /// When a tensor operation fails or the loss is not finite.
    pub fn step(&mut self, batch: &ScoreBatch) -> Result<StepReport> {
        let loss = self.loss(batch)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            bail!("the loss is {value} at step {}; use a smaller learning rate", self.steps)
        }
        let grads = loss.backward()?;
        // The published schedule looks at the steps taken before: the first one moves nothing.
        let warm = if self.objective.warmup == 0 {
            1.0
        } else {
            (self.steps as f64 / self.objective.warmup as f64).min(1.0)
        };
        self.steps += 1;
        let rate = self.objective.rate * warm;
        let gradient = self.adam.step(&self.variables, &grads, self.steps, rate)?;
        follow(&mut self.average, &self.variables, self.steps, self.objective.average)?;
        Ok(StepReport { loss: value, gradient })
    }
}

/// The loss of [`ScoreTrainer::loss`] for any network.
fn score_matching(network: &ScoreNetwork, reduction: Reduction, batch: &ScoreBatch) -> Result<Tensor> {
    let ScoreBatch { clean, noise, levels } = batch;
    let count = clean.dim(0)?;
    let column = |value: &dyn Fn(&Conditioning) -> f64| {
        let values: Vec<f32> = levels.iter().map(|l| value(l) as f32).collect();
        Tensor::from_vec(values, levels.len(), clean.device())
    };
    let wide = |t: Tensor| t.reshape(((), 1, 1, 1));
    let mean = wide(column(&|l| l.mean)?)?;
    let std = wide(column(&|l| l.std)?)?;
    let noisy = (clean.broadcast_mul(&mean)? + noise.broadcast_mul(&std)?)?;
    let output = network.forward(&noisy, &column(&|l| l.label)?)?;
    let scaled = output.broadcast_mul(&wide(column(&|l| l.factor * l.std)?)?)?;
    let squares = (scaled + noise)?.sqr()?;
    match reduction {
        Reduction::Mean => squares.mean_all(),
        Reduction::HalfSum => squares.sum_all()?.affine(0.5 / count as f64, 0.0),
    }
}
