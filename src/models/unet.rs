//! A small U-Net of residual blocks, conditioned on the noise level.

use super::embedding::fourier_features;
use super::layers::{Conv3x3, NormSilu, ResidualBlock, linear};
use super::manifest::UnetConfig;
use crate::kernels;
use candle_core::{Result, Tensor};
use candle_nn::{Linear, Module};

/// The network `F(x, c)`: one channel in, one out, rows and columns multiples of
/// [`UnetConfig::multiple`]. The same code runs for inference and, over variables, for training.
pub struct Unet {
    frequencies: usize,
    embed1: Linear,
    embed2: Linear,
    stem: Conv3x3,
    down: Vec<ResidualBlock>,
    mid: ResidualBlock,
    up: Vec<ResidualBlock>,
    norm_out: NormSilu,
    out: Conv3x3,
}

impl Unet {
    /// The network over the parameters that `get` finds by name ([`UnetConfig::parameters`] lists them).
    ///
    /// # Errors
    /// Those of `get`.
    pub fn new(config: &UnetConfig, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        let c = &config.channels;
        let levels = config.levels();
        let down = |l: usize| ResidualBlock::new(&format!("down.{l}"), l > 0 && c[l - 1] != c[l], get);
        let up = |l: usize| ResidualBlock::new(&format!("up.{l}"), true, get);
        Ok(Self {
            frequencies: config.frequencies,
            embed1: linear("embed1", get)?,
            embed2: linear("embed2", get)?,
            stem: Conv3x3::new("stem", get)?,
            down: (0..levels).map(down).collect::<Result<_>>()?,
            mid: ResidualBlock::new("mid", false, get)?,
            up: (0..levels - 1).map(up).collect::<Result<_>>()?,
            norm_out: NormSilu::new("norm_out", get)?,
            out: Conv3x3::new("out", get)?,
        })
    }

    /// `F(x, c)` for `x` `[batch, 1, row, col]` and `c` `[batch]`.
    ///
    /// # Errors
    /// When a tensor operation fails (shape, memory, device).
    pub fn forward(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let features = fourier_features(condition, self.frequencies)?;
        let embedding = self.embed2.forward(&self.embed1.forward(&features)?.silu()?)?.silu()?;
        let (deepest, skips) = self.descend(x, &embedding)?;
        let mut h = self.mid.forward(&deepest, &embedding)?;
        for (block, skip) in self.up.iter().zip(&skips).rev() {
            h = block.forward(&kernels::upsample_concat(&h, skip)?, &embedding)?;
        }
        self.norm_out.forward(&h, &self.out)
    }

    /// The deepest features, and those of each finer resolution.
    fn descend(&self, x: &Tensor, embedding: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let mut h = self.down[0].forward(&self.stem.forward(x)?, embedding)?;
        let mut skips = Vec::with_capacity(self.down.len());
        for block in &self.down[1..] {
            let pooled = kernels::average_pool(&h)?;
            skips.push(h);
            h = block.forward(&pooled, embedding)?;
        }
        Ok((h, skips))
    }
}

impl UnetConfig {
    /// Name and shape of every parameter.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let c = &self.channels;
        let mut list = Vec::new();
        push_affine(&mut list, "embed1", &[self.embedding, 2 * self.frequencies]);
        push_affine(&mut list, "embed2", &[self.embedding, self.embedding]);
        push_affine(&mut list, "stem", &[c[0], 1, 3, 3]);
        for l in 0..c.len() {
            self.push_block(&mut list, &format!("down.{l}"), c[l.saturating_sub(1)], c[l]);
        }
        let deepest = c[c.len() - 1];
        self.push_block(&mut list, "mid", deepest, deepest);
        for l in 0..c.len() - 1 {
            self.push_block(&mut list, &format!("up.{l}"), c[l + 1] + c[l], c[l]);
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
