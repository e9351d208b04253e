//! Self-attention over the pixels of a feature map.

use super::layers::{GroupNorm, Grouping, Pointwise, merge};
use super::scope::Scope;
use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax;

/// Attention weights that are held at a time, numbers; the pixels that ask come in runs.
const HELD: usize = 1 << 22;

/// `x + W₃ · softmax(qᵀ k/√C) v` with `q, k, v` linear in the normalised input; one head.
pub(super) struct Attention {
    norm: GroupNorm,
    query: Pointwise,
    key: Pointwise,
    value: Pointwise,
    out: Pointwise,
    rescaled: bool,
}

impl Attention {
    pub(super) fn new(
        scope: &Scope<'_>,
        channels: usize,
        grouping: Grouping,
        rescaled: bool,
    ) -> Result<Self> {
        let matrix = |i: usize| Pointwise::matrix(&scope.at(format_args!("NIN_{i}")), channels, channels);
        Ok(Self {
            norm: GroupNorm::new(&scope.at("GroupNorm_0"), grouping, channels)?,
            query: matrix(0)?,
            key: matrix(1)?,
            value: matrix(2)?,
            out: matrix(3)?,
            rescaled,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, rows, cols) = x.dims4()?;
        let flat = (batch, channels, rows * cols);
        let h = self.norm.forward(x)?;
        let scale = 1.0 / (channels as f64).sqrt();
        let query =
            self.query.forward(&h)?.affine(scale, 0.0)?.reshape(flat)?.transpose(1, 2)?.contiguous()?;
        let key = self.key.forward(&h)?.reshape(flat)?;
        let value = self.value.forward(&h)?.reshape(flat)?.transpose(1, 2)?.contiguous()?;
        drop(h);
        let mixed = attend(&query, &key, &value)?;
        let mixed = mixed.transpose(1, 2)?.contiguous()?.reshape(x.shape())?;
        merge(x, &self.out.forward(&mixed)?, self.rescaled)
    }
}

/// `softmax(q k) v`; `q` and `v` are `[batch, pixel, channel]`, `k` is `[batch, channel, pixel]`.
fn attend(query: &Tensor, key: &Tensor, value: &Tensor) -> Result<Tensor> {
    let pixels = query.dim(1)?;
    let run = (HELD / (pixels * query.dim(0)?).max(1)).clamp(1, pixels);
    let part = |from: usize| {
        let asked = query.narrow(1, from, run.min(pixels - from))?.contiguous()?;
        softmax(&asked.matmul(key)?, D::Minus1)?.matmul(value)
    };
    let parts = (0..pixels).step_by(run).map(part).collect::<Result<Vec<_>>>()?;
    if parts.len() == 1 { Ok(parts[0].clone()) } else { Tensor::cat(&parts, 1) }
}
