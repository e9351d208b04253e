//! The original DDPM network.
//!
//! Source: Ho et al., "Denoising Diffusion Probabilistic Models", 2020, in the form that the public code of
//! Song et al. 2021 keeps; 32 groups in every normalisation.

use super::config::DdpmConfig;
use super::embedding::{Conditioner, chosen, positional};
use super::layers::{GroupNorm, Grouping, Nonlinearity, conv3x3};
use super::resample::{Doubling, Filter, Halving};
use super::residual::{BlockStyle, Shortcut};
use super::scope::Scope;
use super::trunk::{Levels, Middle, Numbered, Stack, Step, ascend, descend};
use crate::models::layers::Conv3x3;
use candle_core::{Result, Tensor};

/// The network `x, label ↦ y`; `x` and `y` are `[batch, channel, row, col]`, labels `[batch]`.
pub(super) struct Ddpm {
    conditioner: Conditioner,
    stem: Conv3x3,
    down: Vec<(Vec<Step>, Option<Halving>)>,
    middle: Middle,
    up: Vec<(Vec<Step>, Option<Doubling>)>,
    norm: GroupNorm,
    out: Conv3x3,
    nf: usize,
    act: Nonlinearity,
    /// The noise levels, if the output is divided by them.
    divisors: Option<Tensor>,
}

impl Ddpm {
    /// For images of `channels` channels; `width` is the configured one, which decides where attention
    /// stands, and `scales` the length of the list of noise levels.
    pub(super) fn new(
        scope: &Scope<'_>,
        config: &DdpmConfig,
        channels: usize,
        width: usize,
        scales: usize,
    ) -> Result<Self> {
        let (nf, act, mut modules) = (config.nf, config.nonlinearity, Numbered::new(scope));
        let sigmas = scope.fixed("sigmas", [scales])?;
        let scopes = [modules.next(), modules.next()];
        let conditioner = Conditioner::new(scopes, nf, 4 * nf, act)?;
        let stem = conv3x3(&modules.next(), channels, nf)?;
        let style = BlockStyle {
            act,
            grouping: Grouping::ThirtyTwo,
            embedding: 4 * nf,
            rescaled: false,
            filter: Filter::Plain,
            shortcut: Shortcut::Matrix,
        };
        let c = config;
        let levels = Levels::new(nf, &c.ch_mult, c.num_res_blocks, &c.attn_resolutions, width);
        let mut kept = Stack::new(nf);
        let down = way_down(config, &levels, &style, &mut modules, &mut kept)?;
        let deepest = levels.channels[levels.count() - 1];
        let middle = Middle::new(&mut modules, &style, deepest)?;
        let up = way_up(config, &levels, &style, &mut modules, &mut kept)?;
        let finest = levels.channels[0];
        let norm = GroupNorm::new(&modules.next(), Grouping::ThirtyTwo, finest)?;
        let out = conv3x3(&modules.next(), finest, channels)?;
        let divisors = config.scale_by_sigma.then_some(sigmas);
        Ok(Self { conditioner, stem, down, middle, up, norm, out, nf, act, divisors })
    }

    /// The raw output; rows and columns are multiples of 2 to the number of halvings.
    pub(super) fn forward(&self, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let embedding = self.conditioner.forward(&positional(labels, self.nf)?)?;
        let embedding = Some(&embedding);
        let mut h = self.stem.forward(x)?;
        let mut kept = Stack::new(h.clone());
        for (steps, halving) in &self.down {
            h = descend(steps, h, embedding, &mut kept)?;
            if let Some(halving) = halving {
                h = halving.forward(&h)?;
                kept.push(h.clone());
            }
        }
        h = self.middle.forward(&h, embedding)?;
        for (steps, doubling) in &self.up {
            h = ascend(steps, h, embedding, &mut kept)?;
            if let Some(doubling) = doubling {
                h = doubling.forward(&h)?;
            }
        }
        let y = self.out.forward(&self.norm.activated(&h, self.act)?)?;
        match &self.divisors {
            Some(sigmas) => y.broadcast_div(&chosen(sigmas, labels)?),
            None => Ok(y),
        }
    }
}

fn way_down(
    config: &DdpmConfig,
    levels: &Levels,
    style: &BlockStyle,
    modules: &mut Numbered<'_, '_>,
    kept: &mut Stack<usize>,
) -> Result<Vec<(Vec<Step>, Option<Halving>)>> {
    let mut inputs = config.nf;
    let mut down = Vec::with_capacity(levels.count());
    for (level, &channels) in levels.channels.iter().enumerate() {
        let steps = levels.descending(modules, style, level, kept, inputs)?;
        inputs = channels;
        if level + 1 == levels.count() {
            down.push((steps, None));
            continue;
        }
        let scope = modules.next();
        kept.push(channels);
        let halving = if config.resamp_with_conv {
            Halving::convolving(&scope, &style.filter, channels, channels)?
        } else {
            Halving::plain(&style.filter)
        };
        down.push((steps, Some(halving)));
    }
    Ok(down)
}

fn way_up(
    config: &DdpmConfig,
    levels: &Levels,
    style: &BlockStyle,
    modules: &mut Numbered<'_, '_>,
    kept: &mut Stack<usize>,
) -> Result<Vec<(Vec<Step>, Option<Doubling>)>> {
    let mut inputs = levels.channels[levels.count() - 1];
    let mut up = Vec::with_capacity(levels.count());
    for (level, &channels) in levels.channels.iter().enumerate().rev() {
        let steps = levels.ascending(modules, style, level, kept, inputs)?;
        inputs = channels;
        if level == 0 {
            up.push((steps, None));
            continue;
        }
        let scope = modules.next();
        let doubling = if config.resamp_with_conv {
            Doubling::convolving(&scope, &style.filter, channels, channels)?
        } else {
            Doubling::plain(&style.filter)
        };
        up.push((steps, Some(doubling)));
    }
    Ok(up)
}
