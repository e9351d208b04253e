//! Putting NCSN++ together in upstream's order, which its module numbers tell.

use super::{Double, DownLevel, DownStep, Feed, Gather, Halve, Head, UpLevel};
use crate::models::published::config::{
    Combination, NcsnppConfig, ProgressiveInput, ProgressiveOutput, ResidualKind,
};
use crate::models::published::layers::Pointwise;
use crate::models::published::resample::{Doubling, Filter, Halving};
use crate::models::published::residual::{BlockStyle, Resampling, Residual, Shortcut};
use crate::models::published::trunk::{Levels, NCSNPP_GROUPS, Numbered, Stack};
use candle_core::Result;

/// Builds the network in upstream's order.
pub(super) struct Builder<'c, 's, 'a> {
    config: &'c NcsnppConfig,
    image_channels: usize,
    pub(super) modules: Numbered<'s, 'a>,
    pub(super) style: BlockStyle,
    levels: Levels,
    kept: Stack<usize>,
}

impl<'c, 's, 'a> Builder<'c, 's, 'a> {
    pub(super) fn new(
        config: &'c NcsnppConfig,
        image_channels: usize,
        width: usize,
        modules: Numbered<'s, 'a>,
    ) -> Self {
        let style = BlockStyle {
            act: config.nonlinearity,
            grouping: NCSNPP_GROUPS,
            embedding: 4 * config.nf,
            rescaled: config.skip_rescale,
            filter: Filter::new(config.fir, &config.fir_kernel),
            shortcut: match config.resblock_type {
                ResidualKind::Ddpm => Shortcut::Matrix,
                ResidualKind::Biggan => Shortcut::Convolution,
            },
        };
        let c = config;
        let levels = Levels::new(c.nf, &c.ch_mult, c.num_res_blocks, &c.attn_resolutions, width);
        Self { config, image_channels, modules, style, levels, kept: Stack::new(config.nf) }
    }

    /// The levels, and the channels of the deepest features.
    pub(super) fn way_down(&mut self) -> Result<(Vec<DownLevel>, usize)> {
        let (mut channels, mut fed) = (self.config.nf, self.image_channels);
        let mut down = Vec::with_capacity(self.levels.count());
        for level in 0..self.levels.count() {
            let (modules, kept) = (&mut self.modules, &mut self.kept);
            let steps = self.levels.descending(modules, &self.style, level, kept, channels)?;
            channels = self.levels.channels[level];
            let mut halving = None;
            if level + 1 < self.levels.count() {
                let step;
                (step, channels) = self.down_step(channels, &mut fed)?;
                halving = Some(step);
                self.kept.push(channels);
            }
            down.push(DownLevel { steps, halving });
        }
        Ok((down, channels))
    }

    /// The move to a coarser resolution, and its channels; `fed` counts those of what is fed beside.
    fn down_step(&mut self, channels: usize, fed: &mut usize) -> Result<(DownStep, usize)> {
        let (style, c) = (&self.style, self.config);
        let features = match c.resblock_type {
            ResidualKind::Ddpm if c.resamp_with_conv => {
                Halve::Layer(Halving::convolving(&self.modules.next(), &style.filter, channels, channels)?)
            }
            ResidualKind::Ddpm => {
                self.modules.next();
                Halve::Layer(Halving::plain(&style.filter))
            }
            ResidualKind::Biggan => {
                let scope = self.modules.next();
                Halve::Block(Residual::new(&scope, style, channels, channels, Resampling::Halve)?)
            }
        };
        let (input, channels) = match c.progressive_input {
            ProgressiveInput::None => (Feed::None, channels),
            ProgressiveInput::InputSkip => {
                // The halving of the image has no parameters and, unlike that of features, no number.
                let mix = Pointwise::convolution(&self.modules.next().at("Conv_0"), *fed, channels)?;
                let wide = if c.progressive_combine == Combination::Cat { 2 * channels } else { channels };
                (Feed::Image(Halving::plain(&style.filter), mix, c.progressive_combine), wide)
            }
            ProgressiveInput::Residual => {
                let scope = self.modules.next();
                let halving = Halving::convolving(&scope, &style.filter, *fed, channels)?;
                *fed = channels;
                (Feed::Features(halving), channels)
            }
        };
        Ok((DownStep { features, input }, channels))
    }

    /// The levels, coarsest first, and the channels of the finest features.
    pub(super) fn way_up(&mut self, mut channels: usize) -> Result<(Vec<UpLevel>, usize)> {
        let mut gathered = None;
        let mut up = Vec::with_capacity(self.levels.count());
        for level in (0..self.levels.count()).rev() {
            let (modules, kept) = (&mut self.modules, &mut self.kept);
            let steps = self.levels.ascending(modules, &self.style, level, kept, channels)?;
            channels = self.levels.channels[level];
            let output = self.gather(channels, &mut gathered)?;
            let doubling = if level == 0 { None } else { Some(self.double(channels)?) };
            up.push(UpLevel { steps, output, doubling });
        }
        Ok((up, channels))
    }

    /// What is gathered from features of `channels` channels; `gathered` counts the channels so far.
    fn gather(&mut self, channels: usize, gathered: &mut Option<usize>) -> Result<Gather> {
        let (modules, filter, image) = (&mut self.modules, &self.style.filter, self.image_channels);
        let before = *gathered;
        let made = match self.config.progressive {
            ProgressiveOutput::None => return Ok(Gather::None),
            ProgressiveOutput::OutputSkip => image,
            ProgressiveOutput::Residual => channels,
        };
        *gathered = Some(made);
        match (before, self.config.progressive) {
            (None, _) => Ok(Gather::First(Head::new(modules, channels, made)?)),
            (Some(before), ProgressiveOutput::Residual) => {
                Ok(Gather::Features(Doubling::convolving(&modules.next(), filter, before, channels)?))
            }
            (Some(_), _) => Ok(Gather::Image(Doubling::plain(filter), Head::new(modules, channels, image)?)),
        }
    }

    fn double(&mut self, channels: usize) -> Result<Double> {
        let (scope, style) = (self.modules.next(), &self.style);
        Ok(match self.config.resblock_type {
            ResidualKind::Ddpm if self.config.resamp_with_conv => {
                Double::Layer(Doubling::convolving(&scope, &style.filter, channels, channels)?)
            }
            ResidualKind::Ddpm => Double::Layer(Doubling::plain(&style.filter)),
            ResidualKind::Biggan => {
                Double::Block(Residual::new(&scope, style, channels, channels, Resampling::Double)?)
            }
        })
    }
}
