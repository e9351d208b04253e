//! The covariance of a denoised image by differences, for models without gradients or without the memory for them.

use super::Covariance;
use crate::score::ScoreModel;
use candle_core::{Result, Tensor};

/// The covariance `σ² ∂D/∂x` of the clean image given the noisy one, where `D(x) = x + σ² s(x)` is the denoiser: that of
/// [`TweedieCovariance`](super::TweedieCovariance), with `∂D/∂x v` by central differences,
/// `(D(x + h σ v) − D(x − h σ v))/(2 h σ)`. Two calls of the model a direction.
#[derive(Clone, Copy)]
pub struct DifferencedCovariance<'a> {
    /// The score.
    pub model: &'a dyn ScoreModel,
    /// Noisy images `x₀ + σ z`.
    pub x: &'a Tensor,
    /// `σ`
    pub std: f64,
    /// `h`, how far a difference reaches in units of the noise.
    pub reach: f64,
}

impl DifferencedCovariance<'_> {
    /// `C v` for one direction.
    ///
    /// # Errors
    /// When the model fails.
    pub fn product(&self, direction: &Tensor) -> Result<Tensor> {
        let step = (direction * (self.reach * self.std))?;
        let ahead = self.model.denoise(&(self.x + &step)?, self.std)?;
        let behind = self.model.denoise(&(self.x - &step)?, self.std)?;
        (ahead - behind)? * (self.std / (2.0 * self.reach))
    }
}

impl Covariance for DifferencedCovariance<'_> {
    fn products(&self, directions: &[Tensor]) -> Result<Vec<Tensor>> {
        directions.iter().map(|direction| self.product(direction)).collect()
    }

    fn images(&self) -> &Tensor {
        self.x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::uncertainty::TweedieCovariance;
    use crate::score::{Gaussian, GaussianMixture};
    use candle_core::{DType, Device};

    /// A mixture bends, so that the differences are not exact; they are of second order in their reach.
    #[test]
    fn products_are_those_of_the_gradient() {
        let mean = |value: f64| Tensor::full(value, (1, 1, 2, 3), &Device::Cpu).unwrap();
        let component = |value: f64| Gaussian { mean: mean(value), variance: 0.3 };
        let model =
            GaussianMixture { components: vec![component(-0.5), component(0.6)], weights: vec![1.0, 2.0] };
        let x = Tensor::arange(0.0, 6.0, &Device::Cpu).unwrap().reshape((1, 1, 2, 3)).unwrap();
        let x = (x.to_dtype(DType::F64).unwrap() * 0.1).unwrap();
        let v = x.cos().unwrap();
        let exact =
            TweedieCovariance { model: &model, x: &x, std: 0.4 }.products(std::slice::from_ref(&v)).unwrap();
        let error = |reach: f64| {
            let found = DifferencedCovariance { model: &model, x: &x, std: 0.4, reach }.product(&v).unwrap();
            (found - &exact[0]).unwrap().sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
        };
        assert!(error(1e-3) < 1e-6, "{}", error(1e-3));
        let ratio = error(0.2) / error(0.1);
        assert!((ratio - 4.0).abs() < 0.4, "{ratio}");
    }
}
