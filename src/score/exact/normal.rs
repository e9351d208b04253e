//! Normal distributions with full covariances, for images of few pixels.

use super::cholesky::{cholesky, solve};
use crate::score::ScoreModel;
use crate::score::model::{Differentiable, Linearised};
use crate::score::tensors::{like, numbers};
use candle_core::{Result, Tensor, bail};
use ndarray::{Array1, Array2, ArrayView1};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// `Σ_k w_k N(mean_k, covariance_k)` over all numbers of an image, in row-major order.
///
/// A closed form for tests and for the first and second order score that a learned one is held to.
/// Everything is computed in double precision on the host, with a Cholesky factor of every blurred
/// covariance a call, so that images should have some hundred numbers at most; [`super::GaussianMixture`]
/// is the isotropic case without that limit.
#[derive(Clone, Debug)]
pub struct NormalMixture {
    components: Vec<Component>,
}

#[derive(Clone, Debug)]
struct Component {
    log_weight: f64,
    mean: Array1<f64>,
    covariance: Array2<f64>,
}

/// A component at a noise level: `N(mean, covariance + std² I)`.
struct Blurred<'a> {
    mean: &'a Array1<f64>,
    /// `L` with `L Lᵀ` the covariance.
    factor: Array2<f64>,
    /// Of weight and density, at the mean.
    log_peak: f64,
}

/// What the components make of one image.
struct At {
    log_density: f64,
    shares: Vec<f64>,
    scores: Vec<Array1<f64>>,
    score: Array1<f64>,
}

impl NormalMixture {
    /// From weights, which need not sum to 1, means and covariances.
    ///
    /// # Errors
    /// When there is no component, a weight is not positive, shapes differ, or a covariance is not
    /// symmetric and positive definite.
    pub fn new(components: Vec<(f64, Array1<f64>, Array2<f64>)>) -> Result<Self> {
        let total: f64 = components.iter().map(|(weight, ..)| weight).sum();
        let Some(numbers) = components.first().map(|(_, mean, _)| mean.len()) else {
            bail!("a mixture has at least one component")
        };
        let component = |(weight, mean, covariance): (f64, Array1<f64>, Array2<f64>)| {
            if !(weight > 0.0 && weight.is_finite()) {
                bail!("the weight of a component must be positive, not {weight}")
            }
            if mean.len() != numbers || covariance.dim() != (numbers, numbers) {
                bail!("all components have the same number of means and a square covariance of that side")
            }
            let scale = covariance.diag().iter().fold(0.0, |most: f64, v| most.max(v.abs()));
            if (&covariance - &covariance.t()).iter().any(|d| d.abs() > 1e-9 * scale) {
                bail!("a covariance is symmetric")
            }
            cholesky(&covariance)?;
            Ok(Component { log_weight: (weight / total).ln(), mean, covariance })
        };
        Ok(Self { components: components.into_iter().map(component).collect::<Result<_>>()? })
    }

    /// `log p(x; std)` of every image of a batch, in nats.
    ///
    /// # Errors
    /// When images have another number of pixels, or the tensor cannot be copied to the host.
    pub fn log_density(&self, x: &Tensor, std: f64) -> Result<Vec<f64>> {
        let blurred = self.blurred(std)?;
        Ok(self.images(x)?.iter().map(|x| at(&blurred, x).log_density).collect())
    }

    /// `count` draws, one in each row.
    ///
    /// # Errors
    /// When a covariance has no Cholesky factor, which [`NormalMixture::new`] has excluded.
    pub fn sample(&self, count: usize, rng: &mut impl Rng) -> Result<Array2<f64>> {
        let numbers = self.components[0].mean.len();
        let blurred = self.blurred(0.0)?;
        let mut drawn = Array2::zeros((count, numbers));
        for mut row in drawn.rows_mut() {
            let mut left: f64 = rng.random();
            let chosen = self.components.iter().position(|component| {
                left -= component.log_weight.exp();
                left < 0.0
            });
            let part = &blurred[chosen.unwrap_or(self.components.len() - 1)];
            let z = Array1::from_shape_simple_fn(numbers, || rng.sample::<f64, _>(StandardNormal));
            row.assign(&(part.factor.dot(&z) + part.mean));
        }
        Ok(drawn)
    }

    fn blurred(&self, std: f64) -> Result<Vec<Blurred<'_>>> {
        self.components.iter().map(|component| component.blurred(std)).collect()
    }

    /// The images of a batch as vectors.
    fn images(&self, x: &Tensor) -> Result<Vec<Array1<f64>>> {
        let count = self.components[0].mean.len();
        if x.elem_count() != count * x.dim(0)? {
            bail!("images of {count} numbers were expected, not a batch of shape {:?}", x.dims())
        }
        Ok(numbers(x)?.chunks(count).map(|image| ArrayView1::from(image).to_owned()).collect())
    }
}

impl Component {
    fn blurred(&self, std: f64) -> Result<Blurred<'_>> {
        let mut covariance = self.covariance.clone();
        covariance.diag_mut().mapv_inplace(|v| v + std * std);
        let factor = cholesky(&covariance)?;
        let log_volume: f64 = factor.diag().iter().map(|v| v.ln()).sum();
        let log_peak = self.log_weight - log_volume - 0.5 * self.mean.len() as f64 * TAU.ln();
        Ok(Blurred { mean: &self.mean, factor, log_peak })
    }
}

impl Blurred<'_> {
    /// `(covariance + std² I)⁻¹ v`
    fn precise(&self, v: Array1<f64>) -> Array1<f64> {
        solve(&self.factor, v)
    }
}

fn at(components: &[Blurred<'_>], x: &Array1<f64>) -> At {
    let scores: Vec<_> = components.iter().map(|part| part.precise(part.mean - x)).collect();
    let log = |(part, score): (&Blurred<'_>, &Array1<f64>)| part.log_peak - 0.5 * (part.mean - x).dot(score);
    let logs: Vec<f64> = components.iter().zip(&scores).map(log).collect();
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    let shares: Vec<f64> = logs.iter().map(|log| (log - largest).exp() / total).collect();
    let mut score = Array1::zeros(x.len());
    for (own, share) in scores.iter().zip(&shares) {
        score.scaled_add(*share, own);
    }
    At { log_density: largest + total.ln(), shares, scores, score }
}

impl ScoreModel for NormalMixture {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        let blurred = self.blurred(std)?;
        let scores: Vec<f64> = self.images(x)?.iter().flat_map(|x| at(&blurred, x).score).collect();
        like(x, &scores)
    }
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        Self::log_density(self, x, std).map(Some)
    }
}

impl Differentiable for NormalMixture {
    /// With responsibilities `rₖ`, component scores `sₖ` and precisions `Pₖ` the Jacobian is
    /// `Σ rₖ (sₖ sₖᵀ − Pₖ) − s sᵀ`.
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        let score = self.score(x, std)?;
        let (mixture, x) = (self.clone(), x.clone());
        let slope = move |v: &Tensor| {
            let blurred = mixture.blurred(std)?;
            let pairs = mixture.images(&x)?.into_iter().zip(mixture.images(v)?);
            let slopes: Vec<f64> = pairs.flat_map(|(x, v)| at(&blurred, &x).curved(&blurred, &v)).collect();
            like(&x, &slopes)
        };
        Ok(Linearised::new(score, slope))
    }
}

impl At {
    /// The Hessian of the logarithm times `v`.
    fn curved(&self, components: &[Blurred<'_>], v: &Array1<f64>) -> Array1<f64> {
        let mut product = &self.score * -self.score.dot(v);
        for ((part, own), share) in components.iter().zip(&self.scores).zip(&self.shares) {
            product.scaled_add(share * own.dot(v), own);
            product.scaled_add(-share, &part.precise(v.clone()));
        }
        product
    }
}

#[cfg(test)]
mod tests;
