//! How a score changes with the image: products of its Jacobian, for divergences and for guidance through a network.

use super::Counted;
use crate::score::ScoreModel;
use candle_core::{Result, Tensor, Var, bail};

/// A score that can be differentiated.
pub trait Differentiable: ScoreModel {
    /// The score at `x` and its Jacobian there, from one evaluation of the model.
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised>;

    /// The score `s(x; std)`, and [`Linearised::slope`] of every direction.
    ///
    /// # Errors
    /// As [`ScoreModel::score`], and when there is no gradient.
    fn score_and_slopes(&self, x: &Tensor, std: f64, directions: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let at = self.linearise(x, std)?;
        let slopes = directions.iter().map(|v| at.slope(v)).collect::<Result<_>>()?;
        Ok((at.score, slopes))
    }
}

/// `v ↦ Jᵀ v`
type Transposed = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// A score at one batch of images, and its Jacobian `J` there.
///
/// Directions may depend on the score. For a network this holds what the evaluation left behind for gradients.
pub struct Linearised {
    /// `s(x; std)`, without gradients.
    pub score: Tensor,
    transposed: Transposed,
}

impl Linearised {
    /// A score, and what its transposed Jacobian makes of a direction.
    pub fn new(score: Tensor, transposed: impl Fn(&Tensor) -> Result<Tensor> + 'static) -> Self {
        Self { score, transposed: Box::new(transposed) }
    }

    /// `∇ₓ Σ s·v` for a direction `v`, which has the shape of `x`: `Jᵀ v`, image by image.
    ///
    /// # Errors
    /// When the score does not depend on the image by operations with a gradient, or one of them fails.
    pub fn slope(&self, v: &Tensor) -> Result<Tensor> {
        (self.transposed)(v)
    }
}

impl<M: Differentiable + ?Sized> Differentiable for &M {
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        (**self).linearise(x, std)
    }
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
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        self.0.log_density(x, std)
    }
}

impl<M: ScoreModel> Differentiable for Autograd<M> {
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        let x = Var::from_tensor(x)?;
        let score = self.0.score(&x, std)?;
        let detached = score.detach();
        let slope = move |v: &Tensor| match (&score * v)?.sum_all()?.backward()?.get(&x) {
            Some(gradient) => Ok(gradient.detach()),
            None => bail!("the score does not depend on the image by tensor operations"),
        };
        Ok(Linearised::new(detached, slope))
    }
}

impl<M: Differentiable> Differentiable for Counted<M> {
    /// Counts one call, however many slopes are taken.
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        self.count();
        self.inner().linearise(x, std)
    }
}
