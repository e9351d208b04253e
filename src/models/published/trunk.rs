//! What DDPM, DDPM++ and NCSN++ share: numbered modules, and stages of residual blocks with attention.

use super::attention::Attention;
use super::layers::Grouping;
use super::residual::{BlockStyle, Resampling, Residual};
use super::scope::Scope;
use candle_core::{Result, Tensor, bail};

/// Hands out `all_modules.0`, `all_modules.1`, … in the order of asking.
pub(super) struct Numbered<'s, 'a> {
    scope: &'s Scope<'a>,
    next: usize,
}

impl<'s, 'a> Numbered<'s, 'a> {
    pub(super) fn new(scope: &'s Scope<'a>) -> Self {
        Self { scope, next: 0 }
    }

    pub(super) fn next(&mut self) -> Scope<'a> {
        self.next += 1;
        self.scope.at(format_args!("all_modules.{}", self.next - 1))
    }
}

/// Features of the way down, kept for the way up; their channel counts while the network is being built.
pub(super) struct Stack<T>(Vec<T>);

impl<T> Stack<T> {
    pub(super) fn new(first: T) -> Self {
        Self(vec![first])
    }

    pub(super) fn push(&mut self, item: T) {
        self.0.push(item);
    }

    pub(super) fn pop(&mut self) -> Result<T> {
        match self.0.pop() {
            Some(item) => Ok(item),
            None => bail!("the ways down and up of the network do not fit"),
        }
    }
}

/// A residual block, followed by attention or not.
pub(super) struct Step {
    pub(super) block: Residual,
    pub(super) attention: Option<Attention>,
}

impl Step {
    pub(super) fn forward(&self, x: &Tensor, embedding: Option<&Tensor>) -> Result<Tensor> {
        let h = self.block.forward(x, embedding)?;
        match &self.attention {
            Some(attention) => attention.forward(&h),
            None => Ok(h),
        }
    }
}

/// Block, attention, block: the coarsest resolution.
pub(super) struct Middle {
    first: Residual,
    attention: Attention,
    second: Residual,
}

impl Middle {
    pub(super) fn new(modules: &mut Numbered<'_, '_>, style: &BlockStyle, channels: usize) -> Result<Self> {
        let block = |scope: &Scope<'_>| Residual::new(scope, style, channels, channels, Resampling::None);
        Ok(Self {
            first: block(&modules.next())?,
            attention: attention(&modules.next(), style, channels)?,
            second: block(&modules.next())?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, embedding: Option<&Tensor>) -> Result<Tensor> {
        let h = self.attention.forward(&self.first.forward(x, embedding)?)?;
        self.second.forward(&h, embedding)
    }
}

/// Attention in the style of the blocks.
pub(super) fn attention(scope: &Scope<'_>, style: &BlockStyle, channels: usize) -> Result<Attention> {
    Attention::new(scope, channels, style.grouping, style.rescaled)
}

/// Channels, blocks and attention of every resolution.
pub(super) struct Levels {
    /// Channels, finest first.
    pub(super) channels: Vec<usize>,
    /// Whether blocks are followed by attention.
    pub(super) attends: Vec<bool>,
    /// Residual blocks on the way down; there is one more on the way up.
    pub(super) blocks: usize,
}

impl Levels {
    /// For images `width` wide; attention stands where the width of the features is listed.
    pub(super) fn new(nf: usize, multiples: &[usize], blocks: usize, widths: &[usize], width: usize) -> Self {
        let channels = multiples.iter().map(|m| nf * m).collect();
        let attends = (0..multiples.len()).map(|level| widths.contains(&(width >> level))).collect();
        Self { channels, attends, blocks }
    }

    pub(super) fn count(&self) -> usize {
        self.channels.len()
    }

    /// The blocks of `level` on the way down; `kept` takes note of the channels of their results.
    pub(super) fn descending(
        &self,
        modules: &mut Numbered<'_, '_>,
        style: &BlockStyle,
        level: usize,
        kept: &mut Stack<usize>,
        mut inputs: usize,
    ) -> Result<Vec<Step>> {
        let outputs = self.channels[level];
        let mut steps = Vec::with_capacity(self.blocks);
        for _ in 0..self.blocks {
            let block = Residual::new(&modules.next(), style, inputs, outputs, Resampling::None)?;
            let attention = self.attends[level].then(|| attention(&modules.next(), style, outputs));
            steps.push(Step { block, attention: attention.transpose()? });
            kept.push(outputs);
            inputs = outputs;
        }
        Ok(steps)
    }

    /// The blocks of `level` on the way up; attention follows the last of them.
    pub(super) fn ascending(
        &self,
        modules: &mut Numbered<'_, '_>,
        style: &BlockStyle,
        level: usize,
        kept: &mut Stack<usize>,
        mut inputs: usize,
    ) -> Result<Vec<Step>> {
        let outputs = self.channels[level];
        let mut steps = Vec::with_capacity(self.blocks + 1);
        for _ in 0..=self.blocks {
            let scope = modules.next();
            let block = Residual::new(&scope, style, inputs + kept.pop()?, outputs, Resampling::None)?;
            steps.push(Step { block, attention: None });
            inputs = outputs;
        }
        if let (true, Some(last)) = (self.attends[level], steps.last_mut()) {
            last.attention = Some(attention(&modules.next(), style, outputs)?);
        }
        Ok(steps)
    }
}

/// Runs the blocks of the way down; every result is kept.
pub(super) fn descend(
    steps: &[Step],
    mut h: Tensor,
    embedding: Option<&Tensor>,
    kept: &mut Stack<Tensor>,
) -> Result<Tensor> {
    for step in steps {
        h = step.forward(&h, embedding)?;
        kept.push(h.clone());
    }
    Ok(h)
}

/// Runs the blocks of the way up; each takes one of the kept features.
pub(super) fn ascend(
    steps: &[Step],
    mut h: Tensor,
    embedding: Option<&Tensor>,
    kept: &mut Stack<Tensor>,
) -> Result<Tensor> {
    for step in steps {
        let joined = Tensor::cat(&[&h, &kept.pop()?], 1)?;
        drop(h);
        h = step.forward(&joined, embedding)?;
    }
    Ok(h)
}

/// The groups that a style normalises in: NCSN++ counts by fours, DDPM has 32.
pub(super) const NCSNPP_GROUPS: Grouping = Grouping::FoursUpToThirtyTwo;
