//! How uncertain a denoised image is: the covariance that the second order score stands for.

use super::Variances;
use crate::score::model::{Differentiable, Probe, Trace};
use crate::score::process::Noise;
use candle_core::{Result, Tensor, bail};

/// A covariance of the pixels of every image of a batch, known by its products.
pub trait Covariance {
    /// `C v` for every direction `v`, image by image.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn products(&self, directions: &[Tensor]) -> Result<Vec<Tensor>>;

    /// Any batch with the shape, precision and device of the images.
    fn images(&self) -> &Tensor;

    /// The variance of every pixel. Takes one draw for each random direction or round of lattices, none for
    /// the exact diagonal.
    ///
    /// # Errors
    /// When there is nothing to probe with, or as [`Covariance::products`].
    fn diagonal(&self, probing: Probing, noise: &mut Noise) -> Result<Variances> {
        let mut rounds = Vec::new();
        for directions in probing.groups(self.images(), noise)? {
            rounds.push(estimate(&directions, &self.products(&directions)?)?);
        }
        Variances::new(&rounds)
    }
}

/// With which directions a diagonal is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probing {
    /// Every unit vector: exact, one product a pixel.
    Exact,
    /// `v ⊙ C v` for `count` random directions (Bekas, Kokiopoulou and Saad 2007). For entries of ±1 the
    /// variance of one is `Σ_{j≠i} C_ij²`; with normal entries `2 C_ii²` more.
    Random {
        /// Their distribution.
        probe: Probe,
        /// How many.
        count: usize,
    },
    /// Entries of ±1 on one in `spacing²` pixels, for each of the `spacing²` shifts of that lattice,
    /// `rounds` times (Tang and Saad 2012). Only covariances between pixels of the same lattice disturb:
    /// where they fade with distance this needs fewer products than `Random` by far. `spacing² · rounds`
    /// products.
    Lattice {
        /// Distance between neighbours on the lattice in pixels, at least 1.
        spacing: usize,
        /// How often.
        rounds: usize,
    },
}

impl Probing {
    /// Directions, in groups that each give one estimate of the whole diagonal.
    ///
    /// # Errors
    /// When the noise has come to its end, or there is nothing to probe with.
    pub(super) fn groups(self, x: &Tensor, noise: &mut Noise) -> Result<Vec<Vec<Tensor>>> {
        let groups = match self {
            Self::Exact => vec![Trace::Exact.directions(x, noise)?],
            Self::Random { probe, count } => {
                let all = Trace::Hutchinson { probe, count }.directions(x, noise)?;
                all.into_iter().map(|one| vec![one]).collect()
            }
            Self::Lattice { spacing: 0, .. } => Vec::new(),
            Self::Lattice { spacing, rounds } => {
                let signs =
                    Trace::Hutchinson { probe: Probe::Rademacher, count: rounds }.directions(x, noise)?;
                signs.iter().map(|signs| lattices(signs, spacing)).collect::<Result<_>>()?
            }
        };
        if groups.is_empty() {
            bail!("a diagonal needs at least one direction and a spacing of at least one pixel")
        }
        Ok(groups)
    }
}

/// The signs on each shifted lattice, zero elsewhere. Channels are probed together.
fn lattices(signs: &Tensor, spacing: usize) -> Result<Vec<Tensor>> {
    let (_, _, rows, cols) = signs.dims4()?;
    let lattice = |(down, right): (usize, usize)| {
        let on = |i: usize| (i / cols) % spacing == down && (i % cols) % spacing == right;
        let mask: Vec<f32> = (0..rows * cols).map(|i| if on(i) { 1.0 } else { 0.0 }).collect();
        let mask = Tensor::from_vec(mask, (1, 1, rows, cols), signs.device())?.to_dtype(signs.dtype())?;
        signs.broadcast_mul(&mask)
    };
    let shifts =
        (0..spacing.min(rows)).flat_map(|down| (0..spacing.min(cols)).map(move |right| (down, right)));
    shifts.map(lattice).collect()
}

/// `Σ v ⊙ C v`
pub(super) fn estimate(directions: &[Tensor], products: &[Tensor]) -> Result<Tensor> {
    let mut sum = None;
    for (v, product) in directions.iter().zip(products) {
        let part = (v * product)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => (sum + part)?,
        });
    }
    match sum {
        Some(sum) => Ok(sum),
        None => bail!("a diagonal needs at least one direction"),
    }
}

/// The covariance `σ² (I + σ² J)` of the clean image given the noisy one, `J` the Jacobian of the score:
/// Tweedie's formula of second order, (4.18).
///
/// Exact for an exact score. A network's Jacobian need not be symmetric nor the covariance positive;
/// products here are with the transposed Jacobian, which has the same diagonal. It describes `x₀` given
/// *this* noisy image at *this* level; see [`super::Conditional`] for a measurement.
#[derive(Clone, Copy)]
pub struct TweedieCovariance<'a> {
    /// The score.
    pub model: &'a dyn Differentiable,
    /// Noisy images `x₀ + σ z`.
    pub x: &'a Tensor,
    /// `σ`
    pub std: f64,
}

impl TweedieCovariance<'_> {
    /// The second order score times directions, `J v`.
    ///
    /// # Errors
    /// When the model fails or has no gradient.
    pub fn second_order_scores(&self, directions: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(self.model.score_and_slopes(self.x, self.std, directions)?.1)
    }
}

impl Covariance for TweedieCovariance<'_> {
    fn products(&self, directions: &[Tensor]) -> Result<Vec<Tensor>> {
        let variance = self.std * self.std;
        let scores = self.second_order_scores(directions)?;
        directions.iter().zip(scores).map(|(v, score)| (v + (score * variance)?)? * variance).collect()
    }

    fn images(&self) -> &Tensor {
        self.x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn lattices_cover_every_pixel_once() {
        for (rows, cols, spacing) in [(5, 7, 3), (2, 9, 4), (3, 3, 1), (4, 4, 8)] {
            let ones = Tensor::ones((2, 1, rows, cols), DType::F64, &Device::Cpu).unwrap();
            let all = lattices(&ones, spacing).unwrap();
            assert_eq!(all.len(), spacing.min(rows) * spacing.min(cols));
            let sum = all.iter().fold(ones.zeros_like().unwrap(), |sum, one| (sum + one).unwrap());
            assert_eq!(
                (sum - ones).unwrap().abs().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap(),
                0.0
            );
        }
    }
}
