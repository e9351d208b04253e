//! The parameters of a residual block, which come one behind the other in one tensor.

use crate::kernels::norm::Affine;
use candle_core::{Result, bail};

/// How many numbers of what kind the parameters hold.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Whether the branch that passes by is a 1x1 convolution.
    pub(super) skips: bool,
}

/// One half of the block: a normalisation and a convolution.
pub(super) struct Half<'a> {
    pub(super) affine: Affine<'a>,
    pub(super) bias: &'a [f32],
    pub(super) filters: &'a [f32],
}

/// The parameters in their order.
pub(super) struct Parameters<'a> {
    pub(super) halves: [Half<'a>; 2],
    /// Bias and matrix of the branch that passes by; empty when it is the identity.
    pub(super) skip: (&'a [f32], &'a [f32]),
}

impl Sizes {
    /// All parameters, taken apart.
    ///
    /// # Errors
    /// When there are too few.
    pub(super) fn split<'a>(&self, all: &'a [f32]) -> Result<Parameters<'a>> {
        let mut rest = all;
        let mut take = |count: usize| match rest.split_at_checked(count) {
            Some((head, tail)) => {
                rest = tail;
                Ok(head)
            }
            None => bail!("a residual block lacks parameters"),
        };
        let Self { batch, inputs, outputs, skips } = *self;
        let mut half = |from: usize| -> Result<Half<'a>> {
            let affine = Affine { scale: take(batch * from)?, shift: take(batch * from)? };
            Ok(Half { affine, bias: take(outputs)?, filters: take(9 * outputs * from)? })
        };
        let halves = [half(inputs)?, half(outputs)?];
        let skip = if skips { (take(outputs)?, take(outputs * inputs)?) } else { (&[][..], &[][..]) };
        Ok(Parameters { halves, skip })
    }
}
