//! Features that are read together without being copied together.

use candle_core::{Result, Tensor};

/// What a layer takes: a tensor, or two whose channels stand one behind the other; `[batch, channel, row, col]`.
#[derive(Clone, Copy)]
pub enum Features<'a> {
    /// One tensor.
    One(&'a Tensor),
    /// The channels of the first, then those of the second.
    Joined(&'a Tensor, &'a Tensor),
    /// Each pixel of the first repeated 2x2, then the channels of the second.
    Doubled(&'a Tensor, &'a Tensor),
}

impl<'a> From<&'a Tensor> for Features<'a> {
    fn from(x: &'a Tensor) -> Self {
        Self::One(x)
    }
}

impl Features<'_> {
    /// As one tensor, with gradients.
    ///
    /// # Errors
    /// When the sizes do not fit or memory runs out.
    pub fn join(&self) -> Result<Tensor> {
        match self {
            Self::One(x) => Ok((*x).clone()),
            Self::Joined(first, second) => Tensor::cat(&[first, second], 1),
            Self::Doubled(deep, skip) => super::upsample_concat(deep, skip),
        }
    }

    /// Batch and channels of the whole.
    ///
    /// # Errors
    /// When a tensor is not a batch of images.
    pub fn planes(&self) -> Result<(usize, usize)> {
        match self {
            Self::One(x) => Ok((x.dim(0)?, x.dim(1)?)),
            Self::Joined(a, b) | Self::Doubled(a, b) => Ok((a.dim(0)?, a.dim(1)? + b.dim(1)?)),
        }
    }

    /// The tensors.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let (first, second) = match self {
            Self::One(x) => (*x, None),
            Self::Joined(a, b) | Self::Doubled(a, b) => (*a, Some(*b)),
        };
        std::iter::once(first).chain(second)
    }
}
