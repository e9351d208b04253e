//! The layers by candle's own operations: what runs on a GPU, and the oracle of the CPU kernels.
//!
//! Tensors are `[batch, channel, row, col]`; every function is differentiable in all its tensors.

use candle_core::{D, Result, Tensor};

/// `y = w ∗ x + b`, 3x3, zero padding 1. `w` is `[out, in, 3, 3]`, `b` is `[out]`.
pub(super) fn conv3x3(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let out = bias.elem_count();
    x.conv2d(weight, 1, 1, 1, 1)?.broadcast_add(&bias.reshape((1, out, 1, 1))?)
}

/// `y = w x + b` in every pixel. `w` is `[out, in, 1, 1]`, `b` is `[out]`.
pub(super) fn conv1x1(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (batch, channels, rows, cols) = x.dims4()?;
    let out = bias.elem_count();
    let pixels = x.reshape((batch, channels, rows * cols))?;
    let y = weight.reshape((1, out, channels))?.broadcast_matmul(&pixels)?;
    y.broadcast_add(&bias.reshape((1, out, 1))?)?.reshape((batch, out, rows, cols))
}

/// `silu(scale · x̂ + shift)`, where `x̂` has mean 0 and variance 1 in each group of channels of an image.
///
/// `scale` and `shift` are `[batch, channel]`.
pub(super) fn norm_silu(
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    groups: usize,
    eps: f64,
) -> Result<Tensor> {
    let (batch, channels, rows, cols) = x.dims4()?;
    let grouped = x.reshape((batch, groups, channels / groups * rows * cols))?;
    let centred = grouped.broadcast_sub(&grouped.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&variance.affine(1.0, eps)?.sqrt()?)?.reshape(x.shape())?;
    let per_channel = (batch, channels, 1, 1);
    normed.broadcast_mul(&scale.reshape(per_channel)?)?.broadcast_add(&shift.reshape(per_channel)?)?.silu()
}

/// The mean of each 2x2 block; rows and columns are even.
pub(super) fn average_pool(x: &Tensor) -> Result<Tensor> {
    x.avg_pool2d(2)
}

/// Each pixel of `deep` repeated 2x2, then the channels of `skip` behind those of `deep`.
pub(super) fn upsample_concat(deep: &Tensor, skip: &Tensor) -> Result<Tensor> {
    let (_, _, rows, cols) = skip.dims4()?;
    Tensor::cat(&[&deep.upsample_nearest2d(rows, cols)?, skip], 1)
}
