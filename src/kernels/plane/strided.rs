//! 3x3 convolution at every second pixel: patches become channels, then a product in every pixel.

use crate::kernels::images::Images;
use crate::kernels::plane::linear::{self, Linear};
use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

/// Pixels of a patch.
const PATCH: usize = 9;
/// Distance of neighbouring patches.
const STRIDE: usize = 2;

/// `y = w ∗ x + b` at every second pixel, with `behind` rows and columns of zeros behind the last.
pub(in crate::kernels) fn strided_conv3x3(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    behind: usize,
) -> Result<Tensor> {
    let (outputs, inputs, rows, cols) = weight.dims4()?;
    if (inputs, rows, cols) != (x.dim(1)?, 3, 3) {
        bail!("filters {:?} do not fit {} channels", weight.shape(), x.dim(1)?);
    }
    let patches = linear::apply(x, Linear::Gather { behind })?;
    crate::kernels::conv1x1(&patches, &weight.reshape((outputs, inputs * PATCH, 1, 1))?, bias)
}

/// Patches that fit into `n` samples with zeros behind them.
fn patches(n: usize, behind: usize) -> Result<usize> {
    match (n + behind).checked_sub(3) {
        Some(rest) => Ok(rest / STRIDE + 1),
        None => bail!("{n} rows or columns are too few for a convolution at every second pixel"),
    }
}

/// The zeros behind that make [`gather`] of `large` as large as `small`.
pub(in crate::kernels) fn zeros_behind(small: Images, large: Images) -> usize {
    let needed = |few: usize, many: usize| (STRIDE * (few - 1) + 3).saturating_sub(many);
    needed(small.rows, large.rows).max(needed(small.cols, large.cols))
}

/// `y[9 c + 3 i + j, r, s] = x[c, 2 r + i, 2 s + j]`, 0 outside.
pub(in crate::kernels) fn gather(x: &[f32], images: Images, behind: usize) -> Result<(Vec<f32>, Images)> {
    let channels = PATCH * images.channels;
    let (rows, cols) = (patches(images.rows, behind)?, patches(images.cols, behind)?);
    let result = Images { batch: images.batch, channels, rows, cols };
    let mut y = vec![0.0; result.len()];
    y.par_chunks_mut(result.pixels()).enumerate().for_each(|(at, y)| {
        let (plane, i, j) = (at / PATCH, at % PATCH / 3, at % 3);
        let x = &x[plane * images.pixels()..][..images.pixels()];
        for (y, x) in y.chunks_exact_mut(cols).zip(lines(x, images.cols, i)) {
            for (y, x) in y.iter_mut().zip(x.get(j..).unwrap_or_default().iter().step_by(STRIDE)) {
                *y = *x;
            }
        }
    });
    Ok((y, result))
}

/// The transpose of [`gather`].
pub(in crate::kernels) fn scatter(
    y: &[f32],
    patched: Images,
    (rows, cols): (usize, usize),
) -> Result<(Vec<f32>, Images)> {
    let result = Images { batch: patched.batch, channels: patched.channels / PATCH, rows, cols };
    let mut x = vec![0.0; result.len()];
    let planes = x.par_chunks_mut(result.pixels()).zip(y.par_chunks(PATCH * patched.pixels()));
    planes.for_each(|(x, y)| {
        for (at, y) in y.chunks_exact(patched.pixels()).enumerate() {
            let (i, j) = (at / 3, at % 3);
            let lines = x.chunks_exact_mut(cols).skip(i).step_by(STRIDE);
            for (x, y) in lines.zip(y.chunks_exact(patched.cols)) {
                for (x, y) in x.get_mut(j..).unwrap_or_default().iter_mut().step_by(STRIDE).zip(y) {
                    *x += y;
                }
            }
        }
    });
    Ok((x, result))
}

/// Every second line from line `first` on.
fn lines(plane: &[f32], cols: usize, first: usize) -> impl Iterator<Item = &[f32]> {
    plane.chunks_exact(cols).skip(first).step_by(STRIDE)
}
