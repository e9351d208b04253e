//! The network's layers: fast on the CPU, candle's own operations elsewhere.
//!
//! Tensors are f32, `[batch, channel, row, col]`; every function is differentiable in all its tensors, and
//! fails when shapes do not fit or memory runs out.

mod portable;

use candle_core::{Result, Tensor};

/// `y = w ∗ x + b`, 3x3, zero padding 1. `w` is `[out, in, 3, 3]`, `b` is `[out]`.
///
/// # Errors
/// See the module.
pub fn conv3x3(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    portable::conv3x3(x, weight, bias)
}

/// `y = w x + b` in every pixel. `w` is `[out, in, 1, 1]`, `b` is `[out]`.
///
/// # Errors
/// See the module.
pub fn conv1x1(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    portable::conv1x1(x, weight, bias)
}

/// `silu(scale · x̂ + shift)`, where `x̂` has mean 0 and variance 1 in each group of channels of an image.
///
/// `scale` and `shift` are `[batch, channel]`.
///
/// # Errors
/// See the module.
pub fn norm_silu(x: &Tensor, scale: &Tensor, shift: &Tensor, groups: usize, eps: f64) -> Result<Tensor> {
    portable::norm_silu(x, scale, shift, groups, eps)
}

/// The mean of each 2x2 block; rows and columns are even.
///
/// # Errors
/// See the module.
pub fn average_pool(x: &Tensor) -> Result<Tensor> {
    portable::average_pool(x)
}

/// Each pixel of `deep` repeated 2x2, then the channels of `skip` behind those of `deep`.
///
/// # Errors
/// See the module.
pub fn upsample_concat(deep: &Tensor, skip: &Tensor) -> Result<Tensor> {
    portable::upsample_concat(deep, skip)
}
