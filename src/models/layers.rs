//! Layers that hold their parameters; the arithmetic is in `kernels`.

use super::manifest::GROUP_CHANNELS;
use crate::kernels::{self, Around, Features, FrozenConv3x3, Norm};
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
    pub(super) fn forward_around(&self, x: Features<'_>, around: &Around<'_>) -> Result<Tensor> {
        match self {
            Self::Variable { weight, bias } => {
                let conv = |x: &Tensor| match &around.norm {
                    Some(norm) => kernels::norm_silu_conv3x3(x, norm, weight, bias),
                    None => kernels::conv3x3(x, weight, bias),
                };
                Around { norm: None, ..*around }.apply(x, conv)
            }
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

    pub(super) fn forward(&self, x: Features<'_>) -> Result<Tensor> {
        kernels::conv1x1_of(x, &self.weight, &self.bias)
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
    pub(super) fn forward(&self, x: Features<'_>, conv: &Conv3x3) -> Result<Tensor> {
        let (scale, shift) = self.plain(x)?;
        conv.forward_around(x, &Around { norm: Some(norm(&scale, &shift)), ..Around::default() })
    }

    /// Scale `γ` and shift `β` of every plane.
    fn plain(&self, x: Features<'_>) -> Result<(Tensor, Tensor)> {
        let shape = x.planes()?;
        Ok((self.weight.broadcast_as(shape)?, self.bias.broadcast_as(shape)?))
    }

    /// Scale and shift of `(γ x̂ + β)(1 + a) + b`, where `film = [a, b]` is `[batch, 2 · channel]`.
    fn modulated(&self, film: &Tensor) -> Result<(Tensor, Tensor)> {
        let channels = film.dim(1)? / 2;
        let gain = film.narrow(1, 0, channels)?.affine(1.0, 1.0)?;
        let shift = gain.broadcast_mul(&self.bias)?.add(&film.narrow(1, channels, channels)?)?;
        Ok((gain.broadcast_mul(&self.weight)?, shift))
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

    pub(super) fn forward(&self, x: Features<'_>, embedding: &Tensor) -> Result<Tensor> {
        let (scale1, shift1) = self.norm1.plain(x)?;
        let (scale2, shift2) = self.norm2.modulated(&self.film.forward(embedding)?)?;
        let norms = [norm(&scale1, &shift1), norm(&scale2, &shift2)];
        if let (Conv3x3::Variable { weight: w1, bias: b1 }, Conv3x3::Variable { weight: w2, bias: b2 }) =
            (&self.conv1, &self.conv2)
        {
            let skip = self.skip.as_ref().map(|skip| (&skip.weight, &skip.bias));
            let convolutions = [(w1, b1), (w2, b2)];
            return kernels::residual_block(x, &kernels::ResidualBlock { norms, convolutions, skip });
        }
        let around = Around { norm: Some(norms[0]), ..Around::default() };
        let h = self.conv1.forward_around(x, &around)?;
        let passing = match &self.skip {
            Some(skip) => skip.forward(x)?,
            None => x.join()?,
        };
        let around = Around { norm: Some(norms[1]), residual: Some(&passing), ..Around::default() };
        self.conv2.forward_around((&h).into(), &around)
    }
}
