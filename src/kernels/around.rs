//! What stands in front of and behind a convolution, so that one pass over memory does it all.

use candle_core::{Result, Tensor};

/// `silu(scale · x̂ + shift)`, where `x̂` has mean 0 and variance 1 in each group of channels of an image.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// `[batch, channel]`.
    pub scale: &'a Tensor,
    /// `[batch, channel]`.
    pub shift: &'a Tensor,
    /// Groups of channels; they divide the channels.
    pub groups: usize,
    /// Added to the variance.
    pub eps: f64,
}

/// `scale · (conv(norm(x)) + shift + residual)`, each part only where it is given.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// On what the convolution takes.
    pub norm: Option<Norm<'a>>,
    /// Added to every pixel, `[batch, channel]`.
    pub shift: Option<&'a Tensor>,
    /// Added pixel by pixel.
    pub residual: Option<&'a Tensor>,
    /// The factor of the sum.
    pub scale: f64,
}

impl Default for Around<'_> {
    fn default() -> Self {
        Self { norm: None, shift: None, residual: None, scale: 1.0 }
    }
}

impl Around<'_> {
    /// Whether a gradient may be asked for.
    pub(super) fn tracks(&self, x: &Tensor) -> bool {
        let norm = self.norm.map(|norm| [norm.scale, norm.shift]);
        let all =
            [Some(x), self.shift, self.residual].into_iter().flatten().chain(norm.into_iter().flatten());
        all.into_iter().any(Tensor::track_op)
    }

    /// The same one by one, with gradients.
    ///
    /// # Errors
    /// Those of the operations.
    pub fn apply(&self, x: &Tensor, conv: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let mut y = match self.norm {
            Some(n) => conv(&super::norm_silu(x, n.scale, n.shift, n.groups, n.eps)?)?,
            None => conv(x)?,
        };
        if let Some(shift) = self.shift {
            y = y.broadcast_add(&shift.unsqueeze(2)?.unsqueeze(3)?)?;
        }
        if let Some(residual) = self.residual {
            y = (residual + y)?;
        }
        if self.scale == 1.0 { Ok(y) } else { y.affine(self.scale, 0.0) }
    }
}
