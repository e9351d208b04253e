//! The published networks' small layers, by their upstream names.

use super::scope::Scope;
use crate::kernels::{self, Around, FrozenConv3x3, Norm};
use crate::models::layers::Conv3x3;
use candle_core::{D, DType, Result, Tensor, bail};
use candle_nn::Linear;
use serde::{Deserialize, Serialize};

/// The nonlinearity between layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nonlinearity {
    /// `x` where positive, `eˣ − 1` elsewhere.
    Elu,
    /// `max(x, 0)`.
    Relu,
    /// `x` where positive, `x/5` elsewhere.
    Lrelu,
    /// `x/(1 + e⁻ˣ)`.
    #[default]
    Swish,
}

impl Nonlinearity {
    /// The function, in every pixel.
    pub(super) fn apply(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Elu => x.elu(1.0),
            Self::Relu => x.relu(),
            Self::Lrelu => x.maximum(&(x * 0.2)?),
            Self::Swish => x.silu(),
        }
    }
}

/// `y = x wᵀ + b`.
pub(super) fn linear(scope: &Scope<'_>, inputs: usize, outputs: usize) -> Result<Linear> {
    let weight = scope.trained("weight", [outputs, inputs])?;
    Ok(Linear::new(weight, Some(scope.trained("bias", [outputs])?)))
}

/// A 3x3 convolution with zero padding 1.
pub(super) fn conv3x3(scope: &Scope<'_>, inputs: usize, outputs: usize) -> Result<Conv3x3> {
    let weight = scope.trained("weight", [outputs, inputs, 3, 3])?;
    ready(weight, scope.trained("bias", [outputs])?)
}

/// A 3x3 convolution with zero padding 1 and nothing added.
pub(super) fn conv3x3_plain(scope: &Scope<'_>, inputs: usize, outputs: usize) -> Result<Conv3x3> {
    let weight = scope.trained("weight", [outputs, inputs, 3, 3])?;
    let bias = Tensor::zeros(outputs, DType::F32, weight.device())?;
    ready(weight, bias)
}

/// Filters that do not change are made ready once.
fn ready(weight: Tensor, bias: Tensor) -> Result<Conv3x3> {
    if weight.is_variable() || weight.dtype() != DType::F32 {
        return Ok(Conv3x3::Variable { weight, bias });
    }
    Ok(Conv3x3::Frozen(FrozenConv3x3::new(&weight, &bias)?))
}

/// A 1x1 convolution.
pub(super) struct Pointwise {
    weight: Weight,
    bias: Tensor,
}

/// The weights of a 1x1 convolution.
enum Weight {
    /// `[out, in, 1, 1]`
    Ready(Tensor),
    /// `[in, out]`; being trained, so it must be transposed whenever it is used.
    Matrix(Tensor),
}

impl Pointwise {
    /// Kept as a convolution, `weight` `[out, in, 1, 1]`.
    pub(super) fn convolution(scope: &Scope<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let weight = scope.trained("weight", [outputs, inputs, 1, 1])?;
        Ok(Self { weight: Weight::Ready(weight), bias: scope.trained("bias", [outputs])? })
    }

    /// Kept as a matrix, `W` `[in, out]` (upstream's "network in network").
    pub(super) fn matrix(scope: &Scope<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let matrix = scope.trained("W", [inputs, outputs])?;
        let bias = scope.trained("b", [outputs])?;
        let variable = matrix.is_variable();
        let weight = if variable { Weight::Matrix(matrix) } else { Weight::Ready(transposed(&matrix)?) };
        Ok(Self { weight, bias })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Ready(weight) => kernels::conv1x1(x, weight, &self.bias),
            Weight::Matrix(matrix) => kernels::conv1x1(x, &transposed(matrix)?, &self.bias),
        }
    }
}

/// `[in, out]` as the weights `[out, in, 1, 1]` of a convolution.
fn transposed(matrix: &Tensor) -> Result<Tensor> {
    let (inputs, outputs) = matrix.dims2()?;
    // A stand-in of one byte stays one.
    if matrix.dtype() != DType::F32 {
        return Ok(matrix.clone());
    }
    matrix.t()?.contiguous()?.reshape((outputs, inputs, 1, 1))
}

/// Into how many groups channels are put before normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouping {
    /// 32 groups, whatever the number of channels (original DDPM).
    ThirtyTwo,
    /// Groups of 4 channels or more, at most 32 groups (NCSN++).
    FoursUpToThirtyTwo,
}

/// Added to the variance of a group.
const EPS: f64 = 1e-6;

/// Group normalisation with one factor and one shift a channel.
pub(super) struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
}

impl GroupNorm {
    pub(super) fn new(scope: &Scope<'_>, grouping: Grouping, channels: usize) -> Result<Self> {
        let groups = match grouping {
            Grouping::ThirtyTwo => 32,
            Grouping::FoursUpToThirtyTwo => (channels / 4).min(32),
        };
        if groups == 0 || !channels.is_multiple_of(groups) {
            bail!("{channels} channels cannot be normalised in {groups} groups; choose another nf or ch_mult")
        }
        let weight = scope.trained("weight", [channels])?;
        Ok(Self { weight, bias: scope.trained("bias", [channels])?, groups })
    }

    /// `γ x̂ + β`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, rows, cols) = x.dims4()?;
        let grouped = x.reshape((batch, self.groups, channels / self.groups * rows * cols))?;
        let centred = grouped.broadcast_sub(&grouped.mean_keepdim(D::Minus1)?)?;
        let scale = centred.sqr()?.mean_keepdim(D::Minus1)?.affine(1.0, EPS)?.sqrt()?;
        let normed = centred.broadcast_div(&scale)?.reshape(x.shape())?;
        let channel = (1, channels, 1, 1);
        normed.broadcast_mul(&self.weight.reshape(channel)?)?.broadcast_add(&self.bias.reshape(channel)?)
    }

    /// `act(γ x̂ + β)`, in one pass where there is a kernel for it.
    pub(super) fn activated(&self, x: &Tensor, act: Nonlinearity) -> Result<Tensor> {
        if act != Nonlinearity::Swish {
            return act.apply(&self.forward(x)?);
        }
        let shape = (x.dim(0)?, x.dim(1)?);
        let (scale, shift) = (self.weight.broadcast_as(shape)?, self.bias.broadcast_as(shape)?);
        kernels::norm_silu(x, &scale, &shift, self.groups, EPS)
    }

    /// `conv(act(γ x̂ + β))` and what stands around it, in one pass where there is a kernel for it.
    pub(super) fn then(
        &self,
        x: &Tensor,
        act: Nonlinearity,
        conv: &Conv3x3,
        around: Around<'_>,
    ) -> Result<Tensor> {
        if act != Nonlinearity::Swish {
            return conv.forward_around(&self.activated(x, act)?, &around);
        }
        let shape = (x.dim(0)?, x.dim(1)?);
        let (scale, shift) = (self.weight.broadcast_as(shape)?, self.bias.broadcast_as(shape)?);
        let norm = Some(Norm { scale: &scale, shift: &shift, groups: self.groups, eps: EPS });
        conv.forward_around(x, &Around { norm, ..around })
    }
}

/// `x + h`, divided by √2 when `rescaled`.
pub(super) fn merge(x: &Tensor, h: &Tensor, rescaled: bool) -> Result<Tensor> {
    let sum = (x + h)?;
    if rescaled { sum.affine(std::f64::consts::FRAC_1_SQRT_2, 0.0) } else { Ok(sum) }
}
