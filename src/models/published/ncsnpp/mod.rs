//! NCSN++ and DDPM++.
//!
//! Source: Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations", 2021,
//! Appendix H, and its public code, whose module numbers and names are kept.

mod build;

use super::config::{Combination, Embedding, NcsnppConfig, ProgressiveOutput};
use super::embedding::{Conditioner, chosen, fourier, positional};
use super::layers::{GroupNorm, Nonlinearity, Pointwise, conv3x3, merge};
use super::resample::{Doubling, Halving};
use super::residual::Residual;
use super::scope::Scope;
use super::trunk::{Middle, NCSNPP_GROUPS, Numbered, Stack, Step, ascend, descend};
use crate::kernels::Around;
use crate::models::layers::Conv3x3;
use build::Builder;
use candle_core::{Result, Tensor};

/// How the label becomes features, and what noise level it stands for.
enum Label {
    /// The label is σ; `W`.
    Sigma(Tensor),
    /// The label is a time; the noise levels are listed, largest first.
    Time(Tensor),
}

/// The network `x, label ↦ y`; `x` and `y` are `[batch, channel, row, col]`, labels `[batch]`.
pub(super) struct Ncsnpp {
    label: Label,
    conditioner: Option<Conditioner>,
    stem: Conv3x3,
    down: Vec<DownLevel>,
    middle: Middle,
    up: Vec<UpLevel>,
    head: Option<Head>,
    nf: usize,
    act: Nonlinearity,
    rescaled: bool,
    scale_by_sigma: bool,
}

/// One resolution of the way down.
struct DownLevel {
    steps: Vec<Step>,
    /// To the next resolution; the coarsest has none.
    halving: Option<DownStep>,
}

/// A move to the next coarser resolution.
struct DownStep {
    features: Halve,
    input: Feed,
}

/// How features are halved.
enum Halve {
    Layer(Halving),
    Block(Residual),
}

/// What is fed beside the features.
enum Feed {
    None,
    Image(Halving, Pointwise, Combination),
    Features(Halving),
}

/// One resolution of the way up.
struct UpLevel {
    steps: Vec<Step>,
    output: Gather,
    /// To the next resolution; the finest has none.
    doubling: Option<Double>,
}

/// How features are doubled.
enum Double {
    Layer(Doubling),
    Block(Residual),
}

/// What is gathered beside the features.
enum Gather {
    None,
    /// The coarsest resolution makes the first summand.
    First(Head),
    /// An image is doubled and the one made of these features added.
    Image(Doubling, Head),
    /// Features are doubled and these added; the sum goes on.
    Features(Doubling),
}

/// `conv(act(norm(h)))`.
struct Head {
    norm: GroupNorm,
    conv: Conv3x3,
}

impl Head {
    fn new(modules: &mut Numbered<'_, '_>, inputs: usize, outputs: usize) -> Result<Self> {
        let norm = GroupNorm::new(&modules.next(), NCSNPP_GROUPS, inputs)?;
        Ok(Self { norm, conv: conv3x3(&modules.next(), inputs, outputs)? })
    }

    fn forward(&self, h: &Tensor, act: Nonlinearity) -> Result<Tensor> {
        self.norm.then(h, act, &self.conv, Around::default())
    }
}

impl Ncsnpp {
    /// For images of `channels` channels; `width` is the configured one, which decides where attention
    /// stands, and `scales` the length of the list of noise levels.
    pub(super) fn new(
        scope: &Scope<'_>,
        config: &NcsnppConfig,
        channels: usize,
        width: usize,
        scales: usize,
    ) -> Result<Self> {
        let (nf, mut modules) = (config.nf, Numbered::new(scope));
        let sigmas = scope.fixed("sigmas", [scales])?;
        let (label, features) = match config.embedding_type {
            Embedding::Fourier => (Label::Sigma(modules.next().fixed("W", [nf])?), 2 * nf),
            Embedding::Positional => (Label::Time(sigmas), nf),
        };
        let act = config.nonlinearity;
        let conditioner = if config.conditional {
            let scopes = [modules.next(), modules.next()];
            Some(Conditioner::new(scopes, features, 4 * nf, act)?)
        } else {
            None
        };
        let stem = conv3x3(&modules.next(), channels, nf)?;
        let mut builder = Builder::new(config, channels, width, modules);
        let (down, deepest) = builder.way_down()?;
        let middle = Middle::new(&mut builder.modules, &builder.style, deepest)?;
        let (up, finest) = builder.way_up(deepest)?;
        let head = match config.progressive {
            ProgressiveOutput::OutputSkip => None,
            _ => Some(Head::new(&mut builder.modules, finest, channels)?),
        };
        let (rescaled, scale_by_sigma) = (config.skip_rescale, config.scale_by_sigma);
        Ok(Self { label, conditioner, stem, down, middle, up, head, nf, act, rescaled, scale_by_sigma })
    }

    /// The raw output; rows and columns are multiples of 2 to the number of halvings.
    pub(super) fn forward(&self, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let features = match &self.label {
            Label::Sigma(frequencies) => fourier(labels, frequencies)?,
            Label::Time(_) => positional(labels, self.nf)?,
        };
        let embedding = self.conditioner.as_ref().map(|c| c.forward(&features)).transpose()?;
        let y = self.trunk(x, embedding.as_ref())?;
        if !self.scale_by_sigma {
            return Ok(y);
        }
        let sigmas = match &self.label {
            Label::Sigma(_) => labels.reshape(((), 1, 1, 1))?,
            Label::Time(sigmas) => chosen(sigmas, labels)?,
        };
        y.broadcast_div(&sigmas)
    }

    fn trunk(&self, x: &Tensor, embedding: Option<&Tensor>) -> Result<Tensor> {
        let mut h = self.stem.forward(x)?;
        let mut kept = Stack::new(h.clone());
        let mut fed = x.clone();
        for level in &self.down {
            h = descend(&level.steps, h, embedding, &mut kept)?;
            if let Some(step) = &level.halving {
                (h, fed) = step.forward(&h, fed, embedding, self.rescaled)?;
                kept.push(h.clone());
            }
        }
        drop(fed);
        h = self.middle.forward(&h, embedding)?;
        let mut gathered = None;
        for level in &self.up {
            h = ascend(&level.steps, h, embedding, &mut kept)?;
            (h, gathered) = level.output.forward(h, gathered, self.act, self.rescaled)?;
            h = match &level.doubling {
                None => h,
                Some(Double::Layer(layer)) => layer.forward(&h)?,
                Some(Double::Block(block)) => block.forward(&h, embedding)?,
            };
        }
        match (&self.head, gathered) {
            (None, Some(image)) => Ok(image),
            (Some(head), _) => head.forward(&h, self.act),
            (None, None) => Ok(h),
        }
    }
}

impl DownStep {
    /// The halved features, and what is fed to the next resolution.
    fn forward(
        &self,
        h: &Tensor,
        fed: Tensor,
        embedding: Option<&Tensor>,
        rescaled: bool,
    ) -> Result<(Tensor, Tensor)> {
        let h = match &self.features {
            Halve::Layer(layer) => layer.forward(h)?,
            Halve::Block(block) => block.forward(h, embedding)?,
        };
        match &self.input {
            Feed::None => Ok((h, fed)),
            Feed::Image(halving, mix, combination) => {
                let fed = halving.forward(&fed)?;
                let mixed = mix.forward(&fed)?;
                let h = match combination {
                    Combination::Sum => (mixed + h)?,
                    Combination::Cat => Tensor::cat(&[mixed, h], 1)?,
                };
                Ok((h, fed))
            }
            Feed::Features(halving) => {
                let sum = merge(&halving.forward(&fed)?, &h, rescaled)?;
                Ok((sum.clone(), sum))
            }
        }
    }
}

impl Gather {
    /// The features that go on, and what is gathered so far.
    fn forward(
        &self,
        h: Tensor,
        gathered: Option<Tensor>,
        act: Nonlinearity,
        rescaled: bool,
    ) -> Result<(Tensor, Option<Tensor>)> {
        match (self, gathered) {
            (Self::First(head), _) => {
                let first = head.forward(&h, act)?;
                Ok((h, Some(first)))
            }
            (Self::Image(doubling, head), Some(gathered)) => {
                let sum = (doubling.forward(&gathered)? + head.forward(&h, act)?)?;
                Ok((h, Some(sum)))
            }
            (Self::Features(doubling), Some(gathered)) => {
                let sum = merge(&doubling.forward(&gathered)?, &h, rescaled)?;
                Ok((sum.clone(), Some(sum)))
            }
            (_, gathered) => Ok((h, gathered)),
        }
    }
}
