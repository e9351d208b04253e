//! How a score changes with the image: products of its Jacobian, for divergences.

use super::{Counted, Gaussian, GaussianMixture, ScoreModel};
use candle_core::{Result, Tensor, Var, bail};

/// A score that can be differentiated.
pub trait Differentiable: ScoreModel {
    /// The score `s(x; std)`, and `∇ₓ Σ s·v` for every direction `v`, which has the shape of `x`: the transposed
    /// Jacobian times `v`, image by image.
    ///
    /// # Errors
    /// As [`ScoreModel::score`], and when there is no gradient.
    fn score_and_slopes(&self, x: &Tensor, std: f64, directions: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)>;
}

/// Differentiates the tensor operations of a model by reverse accumulation, as networks need. One backward pass
/// a direction.
pub struct Autograd<M>(
    /// The model. Every step from `x` to the score must be a tensor operation with a gradient.
    pub M,
);

impl<M: ScoreModel> ScoreModel for Autograd<M> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.0.score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.0.denoise(x, std)
    }
}

impl<M: ScoreModel> Differentiable for Autograd<M> {
    fn score_and_slopes(&self, x: &Tensor, std: f64, directions: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let x = Var::from_tensor(x)?;
        let score = self.0.score(&x, std)?;
        let slope = |v: &Tensor| match (&score * v)?.sum_all()?.backward()?.get(&x) {
            Some(gradient) => Ok(gradient.detach()),
            None => bail!("the score does not depend on the image by tensor operations"),
        };
        let slopes = directions.iter().map(slope).collect::<Result<_>>()?;
        Ok((score.detach(), slopes))
    }
}

impl Differentiable for Gaussian {
    /// The Jacobian is `−I/(variance + std²)`.
    fn score_and_slopes(&self, x: &Tensor, std: f64, directions: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let factor = -1.0 / (self.variance + std * std);
        Ok((self.score(x, std)?, directions.iter().map(|v| v * factor).collect::<Result<_>>()?))
    }
}

impl Differentiable for GaussianMixture {
    /// With responsibilities `rₖ` and component scores `sₖ` the Jacobian is
    /// `Σ rₖ (sₖ sₖᵀ − I/(vₖ + std²)) − s sᵀ`.
    fn score_and_slopes(&self, x: &Tensor, std: f64, directions: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let score = self.score(x, std)?;
        let shares = self.shares(x, std)?;
        let slope = |v: &Tensor| {
            let mut slope = along(&score, v)?.neg()?;
            for (component, share) in self.components.iter().zip(&shares) {
                let own = component.score(x, std)?;
                let curved = (along(&own, v)? - (v / (component.variance + std * std))?)?;
                slope = (slope + curved.broadcast_mul(share)?)?;
            }
            Ok(slope)
        };
        let slopes = directions.iter().map(slope).collect::<Result<_>>()?;
        Ok((score, slopes))
    }
}

/// `a (a·v)` for every image.
fn along(a: &Tensor, v: &Tensor) -> Result<Tensor> {
    let product = (a * v)?.flatten_from(1)?.sum(1)?;
    a.broadcast_mul(&product.reshape((a.dim(0)?, 1, 1, 1))?)
}

impl<M: Differentiable> Differentiable for Counted<M> {
    fn score_and_slopes(&self, x: &Tensor, std: f64, directions: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        self.count();
        self.inner().score_and_slopes(x, std, directions)
    }
}
