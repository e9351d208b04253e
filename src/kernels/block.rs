//! A residual block.

use super::{Around, Features, Norm, conv1x1, conv3x3};
use candle_core::{Result, Tensor};

/// `s(x) + conv₂(silu(norm₂(conv₁(silu(norm₁(x))))))`; `s` is a 1x1 convolution or nothing.
#[derive(Clone, Copy)]
pub struct ResidualBlock<'a> {
    /// In front of each convolution.
    pub norms: [Norm<'a>; 2],
    /// Weight `[out, in, 3, 3]` and bias `[out]` of each.
    pub convolutions: [(&'a Tensor, &'a Tensor); 2],
    /// Weight `[out, in, 1, 1]` and bias `[out]`.
    pub skip: Option<(&'a Tensor, &'a Tensor)>,
}

impl ResidualBlock<'_> {
    /// Layer by layer.
    ///
    /// # Errors
    /// Those of the operations.
    pub fn apply(&self, x: Features<'_>) -> Result<Tensor> {
        let x = x.join()?;
        let [(w1, b1), (w2, b2)] = self.convolutions;
        let around = Around { norm: Some(self.norms[0]), ..Around::default() };
        let h = around.apply((&x).into(), |x| conv3x3(x, w1, b1))?;
        let passing = match self.skip {
            Some((weight, bias)) => conv1x1(&x, weight, bias)?,
            None => x,
        };
        let around = Around { norm: Some(self.norms[1]), residual: Some(&passing), ..Around::default() };
        around.apply((&h).into(), |h| conv3x3(h, w2, b2))
    }
}
