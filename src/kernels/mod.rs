//! The network's layers: fast on the CPU, candle's own operations elsewhere.
//!
//! Tensors are f32, `[batch, channel, row, col]`; every function is differentiable in all its tensors, and
//! fails when shapes do not fit or memory runs out.

mod around;
mod block;
mod conv;
mod descent;
mod features;
mod images;
mod norm;
mod ops;
#[cfg(test)]
mod oracle;
mod parts;
mod plane;
mod portable;
#[cfg(test)]
mod sampling_tests;
mod simd;
#[cfg(test)]
mod tests;

use candle_core::{DType, Result, Tensor};
use plane::{linear, strided};
use simd::lanes::Level;

pub use around::{Around, Norm};
pub use block::ResidualBlock;
pub use descent::{Blend, Descent, sum_of_squares};
pub use features::Features;
pub use plane::dilated::{join_phases, split_phases};
pub use plane::fir::Fir;
pub use plane::pool::{maximum_of_5x5, mean_of_5x5};
pub use plane::resize::resize_bilinear;
pub use simd::memory::keep_freed_memory;
pub use simd::peak::multiply_adds;

/// Whether the CPU kernels can take the tensor.
fn on_cpu(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// `y = w ∗ x + b`, 3x3, zero padding 1. `w` is `[out, in, 3, 3]`, `b` is `[out]`.
///
/// # Errors
/// See the module.
pub fn conv3x3(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if on_cpu(x) { ops::conv3x3(Level::best(), x, weight, bias) } else { portable::conv3x3(x, weight, bias) }
}

/// `y = w x + b` in every pixel. `w` is `[out, in, 1, 1]`, `b` is `[out]`.
///
/// # Errors
/// See the module.
pub fn conv1x1(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if on_cpu(x) { ops::conv1x1(Level::best(), x, weight, bias) } else { portable::conv1x1(x, weight, bias) }
}

/// [`conv1x1`] of features; without a copy of them where no gradient is wanted.
///
/// # Errors
/// See the module.
pub fn conv1x1_of(x: Features<'_>, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if x.tensors().chain([weight, bias]).all(|t| on_cpu(t) && !t.track_op()) {
        return ops::conv1x1_of(Level::best(), x, weight, bias);
    }
    conv1x1(&x.join()?, weight, bias)
}

/// `silu(scale · x̂ + shift)`, where `x̂` has mean 0 and variance 1 in each group of channels of an image.
///
/// `scale` and `shift` are `[batch, channel]`.
///
/// # Errors
/// See the module.
pub fn norm_silu(x: &Tensor, scale: &Tensor, shift: &Tensor, groups: usize, eps: f64) -> Result<Tensor> {
    if on_cpu(x) {
        ops::norm_silu(Level::best(), x, scale, shift, (groups, eps))
    } else {
        portable::norm_silu(x, scale, shift, groups, eps)
    }
}

/// [`conv3x3`] of [`norm_silu`], with nothing kept in between.
///
/// # Errors
/// See the module.
pub fn norm_silu_conv3x3(x: &Tensor, norm: &Norm<'_>, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if on_cpu(x) {
        return ops::norm_silu_conv3x3(Level::best(), x, norm, weight, bias);
    }
    conv3x3(&norm_silu(x, norm.scale, norm.shift, norm.groups, norm.eps)?, weight, bias)
}

/// A residual block of variables.
///
/// # Errors
/// See the module.
pub fn residual_block(x: Features<'_>, block: &ResidualBlock<'_>) -> Result<Tensor> {
    if x.tensors().all(on_cpu) {
        return ops::residual_block(Level::best(), x, block);
    }
    block.apply(x)
}

/// The mean of each 2x2 block; rows and columns are even.
///
/// # Errors
/// See the module.
pub fn average_pool(x: &Tensor) -> Result<Tensor> {
    if on_cpu(x) { ops::average_pool(x) } else { portable::average_pool(x) }
}

/// Each pixel of `deep` repeated 2x2, then the channels of `skip` behind those of `deep`.
///
/// # Errors
/// See the module.
pub fn upsample_concat(deep: &Tensor, skip: &Tensor) -> Result<Tensor> {
    if on_cpu(deep) { ops::upsample_concat(deep, skip) } else { portable::upsample_concat(deep, skip) }
}

/// Each pixel repeated 2x2.
///
/// # Errors
/// See the module.
pub fn upsample(x: &Tensor) -> Result<Tensor> {
    if on_cpu(x) { linear::apply(x, linear::Linear::Repeat) } else { portable::upsample(x) }
}

/// The separable filter `fir` in both directions of every plane.
///
/// # Errors
/// See the module; also when no pixel is left.
pub fn upfirdn(x: &Tensor, fir: &Fir) -> Result<Tensor> {
    if on_cpu(x) {
        linear::apply(x, linear::Linear::Filter([fir.clone(), fir.clone()]))
    } else {
        portable::upfirdn(x, fir)
    }
}

/// `y = w ∗ x + b`, 3x3, at every second pixel, with `behind` rows and columns of zeros below and to the right
/// and none above. `w` is `[out, in, 3, 3]`, `b` is `[out]`.
///
/// # Errors
/// See the module.
pub fn strided_conv3x3(x: &Tensor, weight: &Tensor, bias: &Tensor, behind: usize) -> Result<Tensor> {
    if on_cpu(x) {
        strided::strided_conv3x3(x, weight, bias, behind)
    } else {
        portable::strided_conv3x3(x, weight, bias, behind)
    }
}

/// A 3x3 convolution with filters that never change, made ready once. Differentiable in `x` only.
#[derive(Clone)]
pub enum FrozenConv3x3 {
    /// On the CPU, transformed.
    Packed(PackedConv3x3),
    /// Elsewhere.
    Plain {
        /// `[out, in, 3, 3]`.
        weight: Tensor,
        /// `[out]`.
        bias: Tensor,
    },
}

/// The CPU's form of [`FrozenConv3x3`].
#[derive(Clone)]
pub struct PackedConv3x3(ops::FrozenConv3x3);

impl FrozenConv3x3 {
    /// Takes the filters of [`conv3x3`].
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        if on_cpu(weight) {
            return Ok(Self::Packed(PackedConv3x3(ops::FrozenConv3x3::new(weight, bias)?)));
        }
        Ok(Self::Plain { weight: weight.detach(), bias: bias.detach() })
    }

    /// [`conv3x3`] of `x`.
    ///
    /// # Errors
    /// See the module.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Packed(packed) => packed.0.apply(x),
            Self::Plain { weight, bias } => portable::conv3x3(x, weight, bias),
        }
    }

    /// [`conv3x3`] and what stands around it; one pass over memory where no gradient is wanted.
    ///
    /// # Errors
    /// See the module.
    pub fn forward_around(&self, x: Features<'_>, around: &Around<'_>) -> Result<Tensor> {
        match self {
            Self::Packed(packed) if !around.tracks(x) => packed.0.apply_around(x, around),
            _ => around.apply(x, |x| self.forward(x)),
        }
    }
}
