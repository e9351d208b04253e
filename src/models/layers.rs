//! Layers that hold their parameters; the arithmetic is in `kernels`.

use super::manifest::GROUP_CHANNELS;
use crate::kernels::{self, Around, FrozenConv3x3, Norm};
use candle_core::{Result, Tensor};
use candle_nn::{Linear, Module};

/// Added to the variance of a group.
const NORM_EPS: f64 = 1e-5;

/// Looks a parameter up by its full name.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Result<Tensor>;

/// `y = x wᵀ + b`, `w` being `[out, in]`.
pub(super) fn linear(name: &str, get: Lookup<'_>) -> Result<Linear> {
    Ok(Linear::new(get(&format!("{name}.weight"))?, Some(get(&format!("{name}.bias"))?)))
}

/// A 3x3 convolution with zero padding 1.
pub(super) enum Conv3x3 {
    /// Its filters are being trained.
    Variable { weight: Tensor, bias: Tensor },
    /// Its filters stay as they are.
    Frozen(FrozenConv3x3),
}

impl Conv3x3 {
    pub(super) fn new(name: &str, get: Lookup<'_>) -> Result<Self> {
        let (weight, bias) = (get(&format!("{name}.weight"))?, get(&format!("{name}.bias"))?);
        if weight.is_variable() {
            return Ok(Self::Variable { weight, bias });
        }
        Ok(Self::Frozen(FrozenConv3x3::new(&weight, &bias)?))
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Variable { weight, bias } => kernels::conv3x3(x, weight, bias),
            Self::Frozen(conv) => conv.forward(x),
        }
    }

    /// The convolution and what stands around it.
    pub(super) fn forward_around(&self, x: &Tensor, around: &Around<'_>) -> Result<Tensor> {
        match self {
            Self::Variable { .. } => around.apply(x, |x| self.forward(x)),
            Self::Frozen(conv) => conv.forward_around(x, around),
        }
    }
}

/// A 1x1 convolution.
pub(super) struct Conv1x1 {
    weight: Tensor,
    bias: Tensor,
}

impl Conv1x1 {
    pub(super) fn new(name: &str, get: Lookup<'_>) -> Result<Self> {
        Ok(Self { weight: get(&format!("{name}.weight"))?, bias: get(&format!("{name}.bias"))? })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::conv1x1(x, &self.weight, &self.bias)
    }
}

/// Group normalisation, an optional modulation, and SiLU, in front of a convolution.
pub(super) struct NormSilu {
    weight: Tensor,
    bias: Tensor,
}

impl NormSilu {
    pub(super) fn new(name: &str, get: Lookup<'_>) -> Result<Self> {
        Ok(Self { weight: get(&format!("{name}.weight"))?, bias: get(&format!("{name}.bias"))? })
    }

    /// `conv(silu(γ x̂ + β))`.
    pub(super) fn forward(&self, x: &Tensor, conv: &Conv3x3) -> Result<Tensor> {
        let shape = (x.dim(0)?, x.dim(1)?);
        let (scale, shift) = (self.weight.broadcast_as(shape)?, self.bias.broadcast_as(shape)?);
        conv.forward_around(x, &Around { norm: Some(norm(&scale, &shift)), ..Around::default() })
    }

    /// `residual + conv(silu((γ x̂ + β)(1 + a) + b))`, where `film = [a, b]` is `[batch, 2 · channel]`.
    pub(super) fn modulated(
        &self,
        x: &Tensor,
        film: &Tensor,
        conv: &Conv3x3,
        residual: &Tensor,
    ) -> Result<Tensor> {
        let channels = x.dim(1)?;
        let gain = film.narrow(1, 0, channels)?.affine(1.0, 1.0)?;
        let scale = gain.broadcast_mul(&self.weight)?;
        let shift = gain.broadcast_mul(&self.bias)?.add(&film.narrow(1, channels, channels)?)?;
        let around =
            Around { norm: Some(norm(&scale, &shift)), residual: Some(residual), ..Around::default() };
        conv.forward_around(x, &around)
    }
}

/// Groups of a fixed number of channels.
fn norm<'a>(scale: &'a Tensor, shift: &'a Tensor) -> Norm<'a> {
    Norm { scale, shift, groups: scale.elem_count() / scale.dims()[0] / GROUP_CHANNELS, eps: NORM_EPS }
}

/// `x + conv(norm(conv(norm(x))))`, the second norm modulated by the noise level.
pub(super) struct ResidualBlock {
    norm1: NormSilu,
    conv1: Conv3x3,
    film: Linear,
    norm2: NormSilu,
    conv2: Conv3x3,
    skip: Option<Conv1x1>,
}

impl ResidualBlock {
    /// A block whose skip is a 1x1 convolution when `widens`, else the identity.
    pub(super) fn new(name: &str, widens: bool, get: Lookup<'_>) -> Result<Self> {
        let part = |p: &str| format!("{name}.{p}");
        Ok(Self {
            norm1: NormSilu::new(&part("norm1"), get)?,
            conv1: Conv3x3::new(&part("conv1"), get)?,
            film: linear(&part("film"), get)?,
            norm2: NormSilu::new(&part("norm2"), get)?,
            conv2: Conv3x3::new(&part("conv2"), get)?,
            skip: widens.then(|| Conv1x1::new(&part("skip"), get)).transpose()?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, embedding: &Tensor) -> Result<Tensor> {
        let h = self.norm1.forward(x, &self.conv1)?;
        let film = self.film.forward(embedding)?;
        match &self.skip {
            Some(skip) => self.norm2.modulated(&h, &film, &self.conv2, &skip.forward(x)?),
            None => self.norm2.modulated(&h, &film, &self.conv2, x),
        }
    }
}
