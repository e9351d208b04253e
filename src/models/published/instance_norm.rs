//! InstanceNorm++ (Song and Ermon 2019, Appendix A), plain and conditioned on the noise level.

use super::scope::Scope;
use candle_core::{Result, Tensor};

/// Added to both variances.
const EPS: f64 = 1e-5;

/// `γ (x̂ + α m̂) + β`: `x̂` has mean 0 and variance 1 in every channel of an image, and `m̂` are the channels'
/// means, normalised over the channels with the unbiased variance.
pub(super) enum InstanceNorm {
    /// The same factors for all.
    Plain { alpha: Tensor, gamma: Tensor, beta: Tensor },
    /// One row `[γ, α, β]` a noise level: `[level, 3 · channel]`.
    Conditional(Tensor),
}

/// How the normalisations of a network learn of the noise level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conditioning {
    /// Not at all.
    None,
    /// Each has a row for each of so many levels.
    Levels(usize),
}

impl InstanceNorm {
    pub(super) fn new(scope: &Scope<'_>, conditioning: Conditioning, channels: usize) -> Result<Self> {
        Ok(match conditioning {
            Conditioning::None => Self::Plain {
                alpha: scope.trained("alpha", [channels])?,
                gamma: scope.trained("gamma", [channels])?,
                beta: scope.trained("beta", [channels])?,
            },
            Conditioning::Levels(levels) => {
                Self::Conditional(scope.at("embed").trained("weight", [levels, 3 * channels])?)
            }
        })
    }

    /// `levels` are the indices of the noise levels, `[batch]`.
    pub(super) fn forward(&self, x: &Tensor, levels: &Tensor) -> Result<Tensor> {
        let channels = x.dim(1)?;
        let (alpha, gamma, beta) = match self {
            Self::Plain { alpha, gamma, beta } => {
                (alpha.unsqueeze(0)?, gamma.unsqueeze(0)?, beta.unsqueeze(0)?)
            }
            Self::Conditional(table) => {
                let rows = table.index_select(levels, 0)?;
                let part = |i: usize| rows.narrow(1, i * channels, channels);
                (part(1)?, part(0)?, part(2)?)
            }
        };
        let means = x.flatten_from(2)?.mean(2)?;
        let centred = x.broadcast_sub(&means.unsqueeze(2)?.unsqueeze(3)?)?;
        let variance = centred.sqr()?.flatten_from(2)?.mean(2)?;
        // γ (c/s + α m̂) + β = c (γ/s) + (γ α m̂ + β): one factor and one shift a channel.
        let scale = gamma.broadcast_div(&variance.affine(1.0, EPS)?.sqrt()?)?;
        let shift =
            standardised(&means)?.broadcast_mul(&alpha)?.broadcast_mul(&gamma)?.broadcast_add(&beta)?;
        let column = |t: Tensor| t.unsqueeze(2)?.unsqueeze(3);
        centred.broadcast_mul(&column(scale)?)?.broadcast_add(&column(shift)?)
    }
}

/// `(m − mean)/√(variance + ε)` over the channels, `[batch, channel]`.
fn standardised(means: &Tensor) -> Result<Tensor> {
    let centred = means.broadcast_sub(&means.mean_keepdim(1)?)?;
    let degrees = (means.dim(1)? - 1).max(1) as f64;
    let variance = centred.sqr()?.sum_keepdim(1)?.affine(1.0 / degrees, EPS)?;
    centred.broadcast_div(&variance.sqrt()?)
}
