//! How uncertain an image is given a measurement, under a local Gaussian approximation.

use super::{Covariance, TweedieCovariance};
use crate::score::measure::bridge::{to_images, to_tensor};
use crate::score::measure::{Bridged, Measured};
use candle_core::{Result, Tensor, bail};
use ndarray::Array2;
use recon_operators::solvers::conjugate_gradient;
use recon_operators::{Field, LinearOperator, Transform};
use std::cell::RefCell;

/// `p(x₀ | x, y)` for a noisy image `x = x₀ + σ z` and a measurement `y = A x₀ + n ε`, with `p(x₀ | x)`
/// taken as the normal distribution with Tweedie's mean `D(x)` and covariance `C = σ² (I + σ² J(x))`:
///
/// ```text
/// mean        D(x) + C Aᴴ K⁻¹ (y − A D(x)),    K = A C Aᴴ + n² I
/// covariance  C − C Aᴴ K⁻¹ A C  =  (C⁻¹ + AᴴA/n²)⁻¹
/// ```
///
/// The first form of the covariance needs only `J v` and `A`: `K` is solved with conjugate gradients, one
/// gradient of the network an iteration. What it assumes:
///
/// - the noise in `x` is independent of that in `y`, and both are white. In the middle of a sampler that
///   has used `y` already, the measurement counts twice, and the result is too confident;
/// - `p(x₀ | x)` is Gaussian. That holds exactly for a Gaussian prior at any `σ`, where all this is exact,
///   and for any smooth prior when `σ` is small compared with what the prior varies over;
/// - `J` is symmetric, as that of an exact score.
///
/// The smaller `σ` is, the more of the answer is what `x` says: `C ≤ σ² I` where `log p` is concave. For
/// what `y` alone leaves open take `σ` larger than the prior's own spread, where `x` says little.
#[derive(Clone, Copy)]
pub struct Conditional<'a, T: Transform> {
    /// What is known without the measurement: a single image with one channel.
    pub prior: TweedieCovariance<'a>,
    /// The measurement, with noise; `n²` is its variance, entry by entry.
    pub measured: &'a Bridged<'a, T>,
    /// Most iterations of a solution; at most the number of measured numbers are of use.
    pub iterations: usize,
    /// Relative residual at which a solution ends. Single precision gives about 1e-5.
    pub tolerance: f64,
}

impl<T: Transform<Image = Array2<f32>>> Conditional<'_, T> {
    /// The mean of the conditional distribution.
    ///
    /// # Errors
    /// As [`Covariance::products`].
    pub fn mean(&self) -> Result<Tensor> {
        let denoised = self.prior.model.denoise(self.prior.x, self.prior.std)?;
        let misfit = self.measured.residual(&single(&denoised)?);
        let gain = self.measured.problem().adjoint(&self.solve(&misfit)?);
        denoised + self.without_data(&gain)?
    }

    /// `C v` of an image on the host.
    fn without_data(&self, v: &Array2<f32>) -> Result<Tensor> {
        let v = to_tensor(std::slice::from_ref(v), self.prior.x.device())?.to_dtype(self.prior.x.dtype())?;
        match self.prior.products(&[v])?.pop() {
            Some(product) => Ok(product),
            None => bail!("one direction has one product"),
        }
    }

    /// `K⁻¹ d`
    fn solve(&self, data: &T::Data) -> Result<T::Data> {
        let noise = self.measured.noise_variance();
        if !(noise > 0.0 && noise.is_finite()) {
            bail!("the noise of a measurement must be positive, not {}", noise.sqrt())
        }
        let problem = self.measured.problem();
        let failure = RefCell::new(None);
        let apply = |d: &T::Data| {
            let product = self.without_data(&problem.adjoint(d)).and_then(|product| single(&product));
            // Numbers that are none end the solution.
            let image = product.unwrap_or_else(|error| {
                failure.borrow_mut().get_or_insert(error);
                let mut image = <Array2<f32> as Field>::zeros(&problem.image_shape());
                image.fill(f32::NAN);
                image
            });
            let mut sum = problem.forward(&image);
            sum.add_scaled(1.0, &self.measured.noisy(d));
            sum
        };
        let zero = T::Data::zeros(&problem.data_shape());
        let solution = conjugate_gradient(apply, data, zero, self.iterations, self.tolerance);
        match failure.into_inner() {
            Some(error) => Err(error),
            None => Ok(solution),
        }
    }
}

impl<T: Transform<Image = Array2<f32>>> Covariance for Conditional<'_, T> {
    fn products(&self, directions: &[Tensor]) -> Result<Vec<Tensor>> {
        let before = self.prior.products(directions)?;
        let problem = self.measured.problem();
        let reduced = |before: Tensor| {
            let seen = problem.forward(&single(&before)?);
            let known = self.without_data(&problem.adjoint(&self.solve(&seen)?))?;
            before - known
        };
        before.into_iter().map(reduced).collect()
    }

    fn images(&self) -> &Tensor {
        self.prior.x
    }
}

/// The only image of a batch.
fn single(batch: &Tensor) -> Result<Array2<f32>> {
    let mut images = to_images(&batch.to_dtype(candle_core::DType::F32)?)?;
    match (images.pop(), images.is_empty()) {
        (Some(image), true) => Ok(image),
        _ => bail!("a measurement belongs to one image, not to a batch of {}", batch.dim(0)?),
    }
}
