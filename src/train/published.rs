//! Training of published networks as their authors trained them.
//!
//! Source: Song et al. 2021 and its public code: denoising score matching over continuous time or over the
//! listed noise levels of SMLD and DDPM.

use super::learner::Learner;
use super::noise_levels::{NoiseLevel, NoiseLevels};
use super::parameters::{Descending, Parameters};
use crate::models::{ArchFile, Conditioning, ScoreNetwork};
use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;

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
    /// How the network is to be asked about each image, and how much its error counts.
    pub levels: Vec<NoiseLevel>,
}

/// A published network, its optimiser and its average.
pub struct ScoreTrainer {
    network: ScoreNetwork,
    levels: NoiseLevels,
    reduction: Reduction,
    parameters: Parameters,
}

impl ScoreTrainer {
    /// Starts from these tensors; those that training leaves alone stay as they are.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape.
    pub fn new(
        arch: &ArchFile,
        levels: NoiseLevels,
        reduction: Reduction,
        descending: Descending,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let parameters = Parameters::new(arch.parameters(), tensors, descending, device)?;
        let network = ScoreNetwork::new(arch, &|name| parameters.get(name))?;
        Ok(Self { network, levels, reduction, parameters })
    }
}

impl Learner for ScoreTrainer {
    type Batch = ScoreBatch;

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        &mut self.parameters
    }

    fn draw(&self, clean: Tensor, rng: &mut ChaCha8Rng) -> Result<ScoreBatch> {
        let levels = (0..clean.dim(0)?).map(|_| self.levels.draw(rng)).collect();
        let noise: Vec<f32> = (0..clean.elem_count()).map(|_| StandardNormal.sample(rng)).collect();
        Ok(ScoreBatch { noise: Tensor::from_vec(noise, clean.shape(), clean.device())?, levels, clean })
    }

    fn images(batch: &ScoreBatch) -> usize {
        batch.levels.len()
    }

    fn part(batch: &ScoreBatch, from: usize, count: usize) -> Result<ScoreBatch> {
        Ok(ScoreBatch {
            clean: batch.clean.narrow(0, from, count)?,
            noise: batch.noise.narrow(0, from, count)?,
            levels: batch.levels.iter().skip(from).take(count).copied().collect(),
        })
    }

    /// The mean over images of `w` times the reduced `(s score(m x + s z) + z)²`, which is `(s output + z)²`
    /// for VE and `(z − output)²` for VP and sub-VP; `w` is 1 unless errors are weighted by likelihood.
    fn loss(&self, batch: &ScoreBatch) -> Result<Tensor> {
        let network = |x: &Tensor, labels: &Tensor| self.network.forward(x, labels);
        score_matching(&network, self.reduction, batch)
    }
}

/// The loss of [`ScoreTrainer`] for anything that answers to images and labels.
pub(super) fn score_matching(
    network: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>,
    reduction: Reduction,
    batch: &ScoreBatch,
) -> Result<Tensor> {
    let ScoreBatch { clean, noise, levels } = batch;
    let count = clean.dim(0)?;
    let column = |value: &dyn Fn(&Conditioning) -> f64| {
        let values: Vec<f32> = levels.iter().map(|l| value(&l.conditioning) as f32).collect();
        Tensor::from_vec(values, levels.len(), clean.device())
    };
    let wide = |t: Tensor| t.reshape(((), 1, 1, 1));
    let mean = wide(column(&|l| l.mean)?)?;
    let std = wide(column(&|l| l.std)?)?;
    let noisy = (clean.broadcast_mul(&mean)? + noise.broadcast_mul(&std)?)?;
    let output = network(&noisy, &column(&|l| l.label)?)?;
    let scaled = output.broadcast_mul(&wide(column(&|l| l.factor * l.std)?)?)?;
    let mut squares = (scaled + noise)?.sqr()?;
    if levels.iter().any(|l| l.weight != 1.0) {
        let weights: Vec<f32> = levels.iter().map(|l| l.weight as f32).collect();
        squares = squares.broadcast_mul(&wide(Tensor::from_vec(weights, levels.len(), clean.device())?)?)?;
    }
    match reduction {
        Reduction::Mean => squares.mean_all(),
        Reduction::HalfSum => squares.sum_all()?.affine(0.5 / count as f64, 0.0),
    }
}
