//! Small networks on top of a score model.

use super::Parameter;
use crate::kernels;
use candle_core::{Device, Result, Tensor, bail};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// What a head is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadBody {
    /// Three layers with `tanh`, every number connected with every other: for images of one small size.
    Dense {
        /// Numbers of each of the two hidden layers.
        hidden: usize,
        /// Rows of an image.
        rows: usize,
        /// Columns of an image.
        cols: usize,
    },
    /// 3×3 convolutions with SiLU, for images of any size. What a pixel is given comes from `layers` pixels
    /// around it.
    Convolutional {
        /// Features of a pixel.
        channels: usize,
        /// Convolutions, at least 2.
        layers: usize,
    },
}

/// How large a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadConfig {
    /// What it is made of.
    pub body: HeadBody,
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
}

/// How the last layer of a head starts; the others are uniform in `±1/√fan_in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLayer {
    /// As the others.
    Random,
    /// At 0: the output is 0 everywhere.
    Zero,
}

impl HeadConfig {
    /// Numbers into and out of each layer, weights being `[out, in]` or `[out, in, 3, 3]`.
    fn widths(&self) -> Vec<(usize, usize)> {
        match self.body {
            HeadBody::Dense { hidden, rows, cols } => {
                let pixels = rows * cols;
                vec![(self.inputs * pixels + 1, hidden), (hidden, hidden), (hidden, self.outputs * pixels)]
            }
            HeadBody::Convolutional { channels, layers } => {
                let last = layers.max(2) - 1;
                let width = |i: usize| {
                    let from = if i == 0 { self.inputs + 1 } else { channels };
                    (from, if i == last { self.outputs } else { channels })
                };
                (0..=last).map(width).collect()
            }
        }
    }

    /// Name and shape of every parameter.
    pub fn parameters(&self) -> Vec<Parameter> {
        let kernel: &[usize] = match self.body {
            HeadBody::Dense { .. } => &[],
            HeadBody::Convolutional { .. } => &[3, 3],
        };
        let layer = |(i, (from, to)): (usize, (usize, usize))| {
            let weight: Vec<usize> = [to, from].iter().chain(kernel).copied().collect();
            [
                Parameter::trainable(format!("{i}.weight"), weight),
                Parameter::trainable(format!("{i}.bias"), [to]),
            ]
        };
        self.widths().into_iter().enumerate().flat_map(layer).collect()
    }

    /// Random parameters.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn initial(&self, last: LastLayer, seed: u64) -> Result<BTreeMap<String, Tensor>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let parameters = self.parameters();
        let first_of_last = parameters.len() - 2;
        let mut bound = 1.0;
        let draw = |(i, Parameter { name, shape, .. }): (usize, Parameter)| {
            let count: usize = shape.iter().product();
            if shape.len() > 1 {
                bound = 1.0 / (shape[1..].iter().product::<usize>() as f32).sqrt();
            }
            let zero = last == LastLayer::Zero && i >= first_of_last;
            let width = if zero { 0.0 } else { bound };
            let values: Vec<f32> = (0..count).map(|_| width * rng.random_range(-1.0..1.0)).collect();
            Ok((name, Tensor::from_vec(values, shape, &Device::Cpu)?))
        };
        parameters.into_iter().enumerate().map(draw).collect()
    }
}

/// A small network from images, and one number an image such as the noise level, to images.
pub struct Head {
    config: HeadConfig,
    layers: Vec<(Tensor, Tensor)>,
}

impl Head {
    /// The network over the parameters that `get` finds by name.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn new(config: HeadConfig, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        let layer = |i: usize| Ok((get(&format!("{i}.weight"))?, get(&format!("{i}.bias"))?));
        let layers = (0..config.widths().len()).map(layer).collect::<Result<_>>()?;
        Ok(Self { config, layers })
    }

    /// How large it is.
    pub fn config(&self) -> HeadConfig {
        self.config
    }

    /// `[batch, outputs, row, col]` for `x` `[batch, inputs, row, col]` and `condition` `[batch]`.
    ///
    /// # Errors
    /// When shapes do not fit or a tensor operation fails.
    pub fn forward(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        match self.config.body {
            HeadBody::Dense { rows, cols, .. } => self.dense(x, condition, (rows, cols)),
            HeadBody::Convolutional { .. } => self.convolutional(x, condition),
        }
    }

    fn dense(&self, x: &Tensor, condition: &Tensor, (rows, cols): (usize, usize)) -> Result<Tensor> {
        let (batch, _, found_rows, found_cols) = x.dims4()?;
        if (found_rows, found_cols) != (rows, cols) {
            bail!("this head is made for images of {rows}×{cols} pixels, not of {found_rows}×{found_cols}")
        }
        let mut h = Tensor::cat(&[&x.flatten_from(1)?, &condition.unsqueeze(1)?], 1)?;
        for (i, (weight, bias)) in self.layers.iter().enumerate() {
            h = h.matmul(&weight.t()?)?.broadcast_add(bias)?;
            if i + 1 < self.layers.len() {
                h = h.tanh()?;
            }
        }
        h.reshape((batch, self.config.outputs, rows, cols))
    }

    fn convolutional(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let (batch, _, rows, cols) = x.dims4()?;
        let level = condition.reshape((batch, 1, 1, 1))?.broadcast_as((batch, 1, rows, cols))?;
        let mut h = Tensor::cat(&[x, &level], 1)?;
        for (i, (weight, bias)) in self.layers.iter().enumerate() {
            h = kernels::conv3x3(&h, weight, bias)?;
            if i + 1 < self.layers.len() {
                h = h.silu()?;
            }
        }
        Ok(h)
    }
}
