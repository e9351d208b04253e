//! The residual blocks of DDPM, DDPM++ and NCSN++: one structure with options.

use super::layers::{GroupNorm, Grouping, Nonlinearity, Pointwise, conv3x3, linear};
use super::resample::Filter;
use super::scope::Scope;
use crate::kernels::Around;
use crate::models::layers::Conv3x3;
use candle_core::{Result, Tensor};
use candle_nn::{Linear, Module};
use std::f64::consts::FRAC_1_SQRT_2;

/// What a block does to the number of rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resampling {
    None,
    Halve,
    Double,
}

/// What all blocks of a network have in common.
#[derive(Clone, Debug)]
pub(super) struct BlockStyle {
    pub(super) act: Nonlinearity,
    pub(super) grouping: Grouping,
    /// Length of the noise-level embedding.
    pub(super) embedding: usize,
    /// Whether sums are divided by √2.
    pub(super) rescaled: bool,
    /// How blocks halve and double.
    pub(super) filter: Filter,
    /// Whether the branch that passes by is kept as a convolution or as a matrix.
    pub(super) shortcut: Shortcut,
}

/// How the branch that passes by changes the number of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortcut {
    /// `NIN_0`, a matrix.
    Matrix,
    /// `Conv_2`, a 1x1 convolution.
    Convolution,
}

/// `x ↦ s(x) + conv(act(norm(conv(act(norm(x))) + dense(e))))`, resampled in front of both branches.
pub(super) struct Residual {
    norm0: GroupNorm,
    conv0: Conv3x3,
    dense: Linear,
    norm1: GroupNorm,
    conv1: Conv3x3,
    shortcut: Option<Pointwise>,
    resampling: Resampling,
    style: BlockStyle,
}

impl Residual {
    pub(super) fn new(
        scope: &Scope<'_>,
        style: &BlockStyle,
        inputs: usize,
        outputs: usize,
        resampling: Resampling,
    ) -> Result<Self> {
        let changes = inputs != outputs || resampling != Resampling::None;
        let shortcut = || match style.shortcut {
            Shortcut::Matrix => Pointwise::matrix(&scope.at("NIN_0"), inputs, outputs),
            Shortcut::Convolution => Pointwise::convolution(&scope.at("Conv_2"), inputs, outputs),
        };
        Ok(Self {
            norm0: GroupNorm::new(&scope.at("GroupNorm_0"), style.grouping, inputs)?,
            conv0: conv3x3(&scope.at("Conv_0"), inputs, outputs)?,
            dense: linear(&scope.at("Dense_0"), style.embedding, outputs)?,
            norm1: GroupNorm::new(&scope.at("GroupNorm_1"), style.grouping, outputs)?,
            conv1: conv3x3(&scope.at("Conv_1"), outputs, outputs)?,
            shortcut: changes.then(shortcut).transpose()?,
            resampling,
            style: style.clone(),
        })
    }

    /// `embedding` is `[batch, width]`, behind its nonlinearity; none for a network that is not told the
    /// noise level.
    pub(super) fn forward(&self, x: &Tensor, embedding: Option<&Tensor>) -> Result<Tensor> {
        let shift = embedding.map(|e| self.dense.forward(e)).transpose()?;
        let around = Around { shift: shift.as_ref(), ..Around::default() };
        let h = if self.resampling == Resampling::None {
            self.norm0.then(x, self.style.act, &self.conv0, around)?
        } else {
            let h = self.resample(&self.norm0.activated(x, self.style.act)?)?;
            self.conv0.forward_around(&h, &around)?
        };
        let mut x = self.resample(x)?;
        if let Some(shortcut) = &self.shortcut {
            x = shortcut.forward(&x)?;
        }
        let scale = if self.style.rescaled { FRAC_1_SQRT_2 } else { 1.0 };
        let around = Around { residual: Some(&x), scale, ..Around::default() };
        self.norm1.then(&h, self.style.act, &self.conv1, around)
    }

    fn resample(&self, x: &Tensor) -> Result<Tensor> {
        match self.resampling {
            Resampling::None => Ok(x.clone()),
            Resampling::Halve => self.style.filter.halve(x),
            Resampling::Double => self.style.filter.double(x),
        }
    }
}
