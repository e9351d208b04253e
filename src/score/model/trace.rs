//! The divergence of a score: the trace of its Jacobian.

use super::Differentiable;
use crate::score::process::Moment;
use crate::score::process::Noise;
use crate::score::tensors::dot;
use candle_core::{Result, Tensor};

/// The distribution of a random direction `v` with `E[v vᵀ] = I`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probe {
    /// Every entry is −1 or 1: the least variance, none at all for a diagonal Jacobian.
    #[default]
    Rademacher,
    /// Standard normal.
    Gaussian,
}

/// How the trace is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// `Σ eᵢ·J eᵢ` over all unit vectors: one gradient a pixel, for small images.
    Exact,
    /// `v·J v` for random directions (Skilling 1989, Hutchinson 1990), one gradient each.
    Hutchinson {
        /// Their distribution.
        probe: Probe,
        /// How many; with two or more the spread between them gives a standard error.
        count: usize,
    },
}

impl Trace {
    /// The directions for batches like `x`: one draw for each random one, none for the exact trace.
    ///
    /// # Errors
    /// When the noise has come to its end.
    pub fn directions(self, x: &Tensor, noise: &mut Noise) -> Result<Vec<Tensor>> {
        match self {
            Self::Exact => unit_vectors(x),
            Self::Hutchinson { probe, count } => (0..count).map(|_| direction(probe, x, noise)).collect(),
        }
    }

    /// How many independent estimates an image has.
    pub(in crate::score) fn estimates(self) -> usize {
        match self {
            Self::Exact => 1,
            Self::Hutchinson { count, .. } => count,
        }
    }

    /// The score `∇ log pₜ`, and every estimate of its divergence, `[estimate][image]`.
    pub(in crate::score) fn score_and_divergence(
        self,
        model: &dyn Differentiable,
        x: &Tensor,
        at: &Moment<'_>,
        directions: &[Tensor],
    ) -> Result<(Tensor, Vec<Vec<f64>>)> {
        let mean = at.marginal().mean;
        let level = at.sde.noise_level(at.t);
        let (score, slopes) = model.score_and_slopes(&(x / mean)?, level, directions)?;
        let mut divergence = self.traces(&slopes, directions)?;
        // ∇ log pₜ(x) = s(x/m)/m, so that its Jacobian has a second factor 1/m.
        divergence.iter_mut().flatten().for_each(|estimate| *estimate /= mean * mean);
        Ok(((score / mean)?, divergence))
    }

    /// Every estimate of the trace of a matrix from its products with the directions, `[estimate][image]`. The
    /// directions themselves are the products of the identity.
    pub(in crate::score) fn traces(
        self,
        products: &[Tensor],
        directions: &[Tensor],
    ) -> Result<Vec<Vec<f64>>> {
        let of = |(product, v): (&Tensor, &Tensor)| dot(product, v)?.to_vec1();
        let each: Vec<Vec<f64>> = products.iter().zip(directions).map(of).collect::<Result<_>>()?;
        Ok(match self {
            Self::Hutchinson { .. } => each,
            Self::Exact => {
                let images = 0..each.first().map_or(0, Vec::len);
                vec![images.map(|i| each.iter().map(|one| one[i]).sum()).collect()]
            }
        })
    }
}

fn direction(probe: Probe, x: &Tensor, noise: &mut Noise) -> Result<Tensor> {
    let z = noise.draw()?;
    let v = match probe {
        Probe::Gaussian => z,
        // The sign of a standard normal number; the rare 0 counts as positive.
        Probe::Rademacher => z.ge(0.0)?.to_dtype(x.dtype())?.affine(2.0, -1.0)?,
    };
    v.to_dtype(x.dtype())
}

/// One direction a pixel, the same for all images of the batch.
fn unit_vectors(x: &Tensor) -> Result<Vec<Tensor>> {
    let (batch, channels, rows, cols) = x.dims4()?;
    let pixels = channels * rows * cols;
    let unit = |pixel: usize| {
        let mut values = vec![0f32; pixels];
        values[pixel] = 1.0;
        let one = Tensor::from_vec(values, (1, channels, rows, cols), x.device())?;
        one.to_dtype(x.dtype())?.repeat((batch, 1, 1, 1))
    };
    (0..pixels).map(unit).collect()
}
