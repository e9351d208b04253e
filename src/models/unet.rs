//! A small U-Net of residual blocks, conditioned on the noise level.

use super::embedding::fourier_features;
use super::layers::{Conv3x3, NormSilu, ResidualBlock, linear};
use super::manifest::UnetConfig;
use crate::kernels::{self, Features};
use candle_core::{Result, Tensor, bail};
use candle_nn::{Linear, Module};

/// The network `F(x, c)`: [`UnetConfig::inputs`] channels in, one out, rows and columns multiples of
/// [`UnetConfig::multiple`]. The same code runs for inference and, over variables, for training.
pub struct Unet {
    frequencies: usize,
    embed1: Linear,
    embed2: Linear,
    stem: Conv3x3,
    down: Vec<Vec<ResidualBlock>>,
    mid: Vec<ResidualBlock>,
    up: Vec<Vec<ResidualBlock>>,
    norm_out: NormSilu,
    out: Conv3x3,
}

impl Unet {
    /// The network over the parameters that `get` finds by name ([`UnetConfig::parameters`] lists them).
    ///
    /// # Errors
    /// Those of `get`.
    pub fn new(config: &UnetConfig, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        let stage = |stage: Stage| -> Result<Vec<ResidualBlock>> {
            stage.blocks().map(|(name, from, to)| ResidualBlock::new(&name, from != to, get)).collect()
        };
        Ok(Self {
            frequencies: config.frequencies,
            embed1: linear("embed1", get)?,
            embed2: linear("embed2", get)?,
            stem: Conv3x3::new("stem", get)?,
            down: (0..config.levels()).map(|l| stage(config.down(l))).collect::<Result<_>>()?,
            mid: stage(config.mid())?,
            up: (0..config.levels() - 1).map(|l| stage(config.up(l))).collect::<Result<_>>()?,
            norm_out: NormSilu::new("norm_out", get)?,
            out: Conv3x3::new("out", get)?,
        })
    }

    /// `F(x, c)`, `[batch, 1, row, col]`, for `x` `[batch, channel, row, col]` and `c` `[batch]`.
    ///
    /// # Errors
    /// When a tensor operation fails (shape, memory, device).
    pub fn forward(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let features = fourier_features(condition, self.frequencies)?;
        let embedding = self.embed2.forward(&self.embed1.forward(&features)?.silu()?)?.silu()?;
        let (mut h, mut skips) = self.descend(x, &embedding)?;
        h = follow(&self.mid, h, &embedding)?;
        for blocks in self.up.iter().rev() {
            let (Some(skip), Some((first, rest))) = (skips.pop(), blocks.split_first()) else {
                bail!("the way up is longer than the way down")
            };
            h = first.forward(Features::Doubled(&h, &skip), &embedding)?;
            drop(skip);
            h = follow(rest, h, &embedding)?;
        }
        self.norm_out.forward((&h).into(), &self.out)
    }

    /// The deepest features, and those of each finer resolution.
    fn descend(&self, x: &Tensor, embedding: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let mut h = self.stem.forward(x)?;
        let mut skips = Vec::with_capacity(self.down.len());
        for (level, blocks) in self.down.iter().enumerate() {
            if level > 0 {
                let pooled = kernels::average_pool(&h)?;
                skips.push(std::mem::replace(&mut h, pooled));
            }
            h = follow(blocks, h, embedding)?;
        }
        Ok((h, skips))
    }
}

/// One block after the other.
fn follow(blocks: &[ResidualBlock], h: Tensor, embedding: &Tensor) -> Result<Tensor> {
    blocks.iter().try_fold(h, |h, block| block.forward((&h).into(), embedding))
}

/// The residual blocks at one resolution of the way down or up, or in the middle.
struct Stage {
    name: String,
    input: usize,
    output: usize,
    count: usize,
}

impl Stage {
    /// Name, input channels and output channels of every block.
    fn blocks(&self) -> impl Iterator<Item = (String, usize, usize)> + '_ {
        let input = |b| if b == 0 { self.input } else { self.output };
        (0..self.count).map(move |b| (format!("{}.{b}", self.name), input(b), self.output))
    }
}

impl UnetConfig {
    fn down(&self, level: usize) -> Stage {
        let c = &self.channels;
        let (input, output) = (c[level.saturating_sub(1)], c[level]);
        Stage { name: format!("down.{level}"), input, output, count: self.blocks[level] }
    }

    fn mid(&self) -> Stage {
        let deepest = self.channels[self.levels() - 1];
        Stage { name: "mid".to_owned(), input: deepest, output: deepest, count: self.middle }
    }

    /// The way up from the resolution below `level` to it.
    fn up(&self, level: usize) -> Stage {
        let c = &self.channels;
        let (input, output) = (c[level + 1] + c[level], c[level]);
        Stage { name: format!("up.{level}"), input, output, count: self.blocks[level] }
    }

    /// Name and shape of every parameter.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let c = &self.channels;
        let mut list = Vec::new();
        push_affine(&mut list, "embed1", &[self.embedding, 2 * self.frequencies]);
        push_affine(&mut list, "embed2", &[self.embedding, self.embedding]);
        push_affine(&mut list, "stem", &[c[0], self.inputs, 3, 3]);
        let down = (0..self.levels()).map(|l| self.down(l));
        let up = (0..self.levels() - 1).map(|l| self.up(l));
        for stage in down.chain([self.mid()]).chain(up) {
            for (name, input, output) in stage.blocks() {
                self.push_block(&mut list, &name, input, output);
            }
        }
        push_affine(&mut list, "norm_out", &[c[0]]);
        push_affine(&mut list, "out", &[1, c[0], 3, 3]);
        list
    }

    fn push_block(&self, list: &mut Vec<(String, Vec<usize>)>, name: &str, input: usize, output: usize) {
        push_affine(list, &format!("{name}.norm1"), &[input]);
        push_affine(list, &format!("{name}.conv1"), &[output, input, 3, 3]);
        push_affine(list, &format!("{name}.film"), &[2 * output, self.embedding]);
        push_affine(list, &format!("{name}.norm2"), &[output]);
        push_affine(list, &format!("{name}.conv2"), &[output, output, 3, 3]);
        if input != output {
            push_affine(list, &format!("{name}.skip"), &[output, input, 1, 1]);
        }
    }
}

fn push_affine(list: &mut Vec<(String, Vec<usize>)>, name: &str, weight: &[usize]) {
    list.push((format!("{name}.weight"), weight.to_vec()));
    list.push((format!("{name}.bias"), weight[..1].to_vec()));
}
