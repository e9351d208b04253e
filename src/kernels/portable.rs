//! The layers by candle's own operations: what runs on a GPU, and the oracle of the CPU kernels.
//!
//! Tensors are `[batch, channel, row, col]`; every function is differentiable in all its tensors.

use crate::kernels::plane::fir::Fir;
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
    let centred = grouped.broadcast_sub(&mean(&grouped)?)?;
    let variance = mean(&centred.sqr()?)?;
    let normed = centred.broadcast_div(&variance.affine(1.0, eps)?.sqrt()?)?.reshape(x.shape())?;
    let per_channel = (batch, channels, 1, 1);
    normed.broadcast_mul(&scale.reshape(per_channel)?)?.broadcast_add(&shift.reshape(per_channel)?)?.silu()
}

/// The mean of each row, of `[batch, group, value]`. A GPU gives each sum to one of its processors, and there are few
/// groups: the rows are cut, so that all processors have something to do.
fn mean(rows: &Tensor) -> Result<Tensor> {
    let (batch, groups, count) = rows.dims3()?;
    let pieces = 1 << count.trailing_zeros().min(8);
    let cut = rows.reshape((batch, groups, pieces, count / pieces))?;
    cut.mean(D::Minus1)?.mean_keepdim(D::Minus1)
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

/// Each pixel repeated 2x2.
pub(super) fn upsample(x: &Tensor) -> Result<Tensor> {
    let (_, _, rows, cols) = x.dims4()?;
    x.upsample_nearest2d(2 * rows, 2 * cols)
}

/// The separable filter `fir` in both directions of every plane.
pub(super) fn upfirdn(x: &Tensor, fir: &Fir) -> Result<Tensor> {
    let (batch, channels, rows, cols) = x.dims4()?;
    let (found_rows, found_cols) = (fir.samples(rows)?, fir.samples(cols)?);
    let planes = x.reshape((batch * channels, 1, rows, cols))?;
    let spread = pad(&pad(&insert(&insert(&planes, 2, fir.up)?, 3, fir.up)?, 2, fir.pad)?, 3, fir.pad)?;
    let length = fir.taps.len();
    let reversed: Vec<f32> = fir.taps.iter().rev().copied().collect();
    let line = Tensor::from_vec(reversed, length, x.device())?;
    let square = line.unsqueeze(1)?.broadcast_mul(&line.unsqueeze(0)?)?.reshape((1, 1, length, length))?;
    let filtered = spread.contiguous()?.conv2d(&square, 0, 1, 1, 1)?;
    let y = every(&every(&filtered, 2, fir.down)?, 3, fir.down)?;
    y.reshape((batch, channels, found_rows, found_cols))
}

/// `up − 1` zeros behind every sample.
fn insert(x: &Tensor, axis: usize, up: usize) -> Result<Tensor> {
    if up == 1 {
        return Ok(x.clone());
    }
    let mut shape = x.dims().to_vec();
    shape[axis] *= up;
    x.unsqueeze(axis + 1)?.pad_with_zeros(axis + 1, 0, up - 1)?.contiguous()?.reshape(shape)
}

/// Zeros on both sides, or less of them than none.
fn pad(x: &Tensor, axis: usize, (front, behind): (i64, i64)) -> Result<Tensor> {
    let grown = x.pad_with_zeros(axis, front.max(0) as usize, behind.max(0) as usize)?;
    let from = (-front).max(0) as usize;
    let cropped = from + (-behind).max(0) as usize;
    grown.narrow(axis, from, grown.dim(axis)?.saturating_sub(cropped))
}

/// Every `step`-th sample.
fn every(x: &Tensor, axis: usize, step: usize) -> Result<Tensor> {
    let index: Vec<u32> = (0..x.dim(axis)? as u32).step_by(step).collect();
    let count = index.len();
    x.index_select(&Tensor::from_vec(index, count, x.device())?, axis)
}

/// `y = w ∗ x + b`, 3x3, at every second pixel, with `behind` rows and columns of zeros behind.
pub(super) fn strided_conv3x3(x: &Tensor, weight: &Tensor, bias: &Tensor, behind: usize) -> Result<Tensor> {
    let mut padded = x.pad_with_zeros(2, 0, behind)?.pad_with_zeros(3, 0, behind)?;
    for axis in [2, 3] {
        // What no patch reaches goes first: candle's gradient supposes that rows and columns leave equally
        // much over.
        let samples = padded.dim(axis)?;
        padded = padded.narrow(axis, 0, samples - usize::from(samples.is_multiple_of(2)))?;
    }
    let padded = padded.contiguous()?;
    let out = bias.elem_count();
    padded.conv2d(weight, 0, 2, 1, 1)?.broadcast_add(&bias.reshape((1, out, 1, 1))?)
}
