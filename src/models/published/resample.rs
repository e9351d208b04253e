//! Halving and doubling, with and without a filter, with and without a convolution.

use super::layers::conv3x3;
use super::scope::Scope;
use crate::kernels::{self, Fir};
use crate::models::layers::Conv3x3;
use candle_core::{Result, Tensor};

/// How images are halved and doubled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// Means of 2x2 blocks and repetition.
    Plain,
    /// One dimension of a separable filter, with sum 1.
    Fir(Vec<f32>),
}

impl Filter {
    /// The filter `taps` (of any sum), or none.
    pub(super) fn new(fir: bool, taps: &[f32]) -> Self {
        if !fir {
            return Self::Plain;
        }
        let sum: f32 = taps.iter().sum();
        Self::Fir(taps.iter().map(|t| t / sum).collect())
    }

    /// Half as many rows and columns.
    pub(super) fn halve(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain => kernels::average_pool(x),
            Self::Fir(taps) => kernels::upfirdn(x, &shrinking(taps, 2, 0)),
        }
    }

    /// Twice as many rows and columns.
    pub(super) fn double(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Plain => kernels::upsample(x),
            Self::Fir(taps) => kernels::upfirdn(x, &growing(taps, 0)),
        }
    }
}

/// The filter in front of the removal of samples, with `more` pixels kept for a convolution behind it.
fn shrinking(taps: &[f32], down: usize, more: i64) -> Fir {
    let pad = taps.len() as i64 - 2 + more;
    Fir { taps: taps.to_vec(), up: 1, down, pad: ((pad + 1).div_euclid(2), pad.div_euclid(2)) }
}

/// The filter behind the insertion of zeros, with a rim of `rim` pixels kept on every side. The gain makes up
/// for the zeros.
fn growing(taps: &[f32], rim: i64) -> Fir {
    let pad = taps.len() as i64 - 2;
    let taps = taps.iter().map(|t| 2.0 * t).collect();
    Fir { taps, up: 2, down: 1, pad: ((pad + 1).div_euclid(2) + 1 + rim, pad.div_euclid(2) + rim) }
}

/// Names of the convolution of a resampling layer: upstream gives filtered ones another name.
fn conv_name(filter: &Filter) -> &'static str {
    match filter {
        Filter::Plain => "Conv_0",
        Filter::Fir(_) => "Conv2d_0",
    }
}

/// A layer that halves images.
pub(super) struct Halving {
    filter: Filter,
    conv: Option<(Tensor, Tensor)>,
}

impl Halving {
    /// Without a convolution channels stay what they are.
    pub(super) fn plain(filter: &Filter) -> Self {
        Self { filter: filter.clone(), conv: None }
    }

    /// With a 3x3 convolution of stride 2.
    pub(super) fn convolving(
        scope: &Scope<'_>,
        filter: &Filter,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self> {
        let at = scope.at(conv_name(filter));
        let weight = at.trained("weight", [outputs, inputs, 3, 3])?;
        let conv = Some((weight, at.trained("bias", [outputs])?));
        Ok(Self { filter: filter.clone(), conv })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Some((weight, bias)) = &self.conv else { return self.filter.halve(x) };
        match &self.filter {
            // One row below and one column to the right, as "same" padding gives.
            Filter::Plain => kernels::strided_conv3x3(x, weight, bias, 1),
            Filter::Fir(taps) => {
                kernels::strided_conv3x3(&kernels::upfirdn(x, &shrinking(taps, 1, 2))?, weight, bias, 0)
            }
        }
    }
}

/// A layer that doubles images.
pub(super) struct Doubling {
    filter: Filter,
    conv: Option<Conv3x3>,
}

impl Doubling {
    /// Without a convolution channels stay what they are.
    pub(super) fn plain(filter: &Filter) -> Self {
        Self { filter: filter.clone(), conv: None }
    }

    /// With a 3x3 convolution.
    pub(super) fn convolving(
        scope: &Scope<'_>,
        filter: &Filter,
        inputs: usize,
        outputs: usize,
    ) -> Result<Self> {
        let conv = conv3x3(&scope.at(conv_name(filter)), inputs, outputs)?;
        Ok(Self { filter: filter.clone(), conv: Some(conv) })
    }

    /// Upstream's filtered form is a transposed convolution and then the filter, cropped at the end. Both are
    /// linear and translation invariant, so filter and convolution change places here, with a rim of one
    /// pixel that the cropping takes away again.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Some(conv) = &self.conv else { return self.filter.double(x) };
        match &self.filter {
            Filter::Plain => conv.forward(&kernels::upsample(x)?),
            Filter::Fir(taps) => {
                let y = conv.forward(&kernels::upfirdn(x, &growing(taps, 1))?)?;
                y.narrow(2, 1, 2 * x.dim(2)?)?.narrow(3, 1, 2 * x.dim(3)?)?.contiguous()
            }
        }
    }
}
