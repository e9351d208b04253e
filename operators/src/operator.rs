//! The traits of operators and the measurement problem `A = P(Λ) T`.

use crate::{DataNoise, Field, Mask, OperatorError, Weights};

/// A linear map `A` and its adjoint under the plain Euclidean inner product.
pub trait LinearOperator: Send + Sync {
    /// Element of the image space.
    type Image: Field;
    /// Element of the measurement space.
    type Data: Field;

    /// Axis lengths of an image.
    fn image_shape(&self) -> Vec<usize>;
    /// Axis lengths of the data.
    fn data_shape(&self) -> Vec<usize>;
    /// `A x`
    fn forward(&self, image: &Self::Image) -> Self::Data;
    /// `Aᴴ y`
    fn adjoint(&self, data: &Self::Data) -> Self::Image;
    /// `Aᴴ A x`; override where it is cheaper than the composition.
    fn normal(&self, image: &Self::Image) -> Self::Image {
        self.adjoint(&self.forward(image))
    }
}

/// The fully sampled transform `T`, which can be inverted.
pub trait Transform: LinearOperator {
    /// `T⁻¹ y`: exact for Fourier, filtered back-projection for Radon.
    fn inverse(&self, data: &Self::Data) -> Self::Image;
}

/// What was measured: `measured = Λ T x + noise`, with zeros where nothing was measured.
///
/// The dissertation writes `y = P(Λ) T x`, where `P(Λ)` drops the unmeasured entries; keeping them as
/// zeros is the same map up to that embedding and spares every method an index table.
#[derive(Clone)]
pub struct Problem<T: Transform> {
    /// `T`
    pub transform: T,
    /// `Λ`
    pub mask: Mask,
    /// `Λ y`, in the shape of the full data.
    pub measured: T::Data,
    /// What is known of the noise in `measured`.
    pub noise: DataNoise,
}

impl<T: Transform> Problem<T> {
    /// A measurement whose noise is not known.
    ///
    /// # Errors
    /// [`OperatorError::DataShape`] or [`OperatorError::MaskLength`] when data or mask are not those of the transform.
    pub fn new(transform: T, mask: Mask, measured: T::Data) -> Result<Self, OperatorError> {
        let (expected, found) = (transform.data_shape(), measured.lengths());
        if found != expected {
            return Err(OperatorError::DataShape { expected, found });
        }
        let entries = expected.iter().product();
        if mask.kept().len() != entries {
            return Err(OperatorError::MaskLength { flags: mask.kept().len(), entries });
        }
        Ok(Self { transform, mask, measured, noise: DataNoise::None })
    }

    /// The same measurement with what is known of its noise.
    ///
    /// # Errors
    /// [`OperatorError::NoiseLength`] when there is not one standard deviation for every entry of the data.
    pub fn with_noise(self, noise: DataNoise) -> Result<Self, OperatorError> {
        let entries = self.mask.kept().len();
        match &noise {
            DataNoise::Independent(stds) if stds.len() != entries => {
                Err(OperatorError::NoiseLength { stds: stds.len(), entries })
            }
            _ => Ok(Self { noise, ..self }),
        }
    }

    /// `Aᴴ W A x`
    pub fn weighted_normal(&self, image: &T::Image, weights: &Weights) -> T::Image {
        match weights {
            Weights::Even(weight) => {
                let mut image = self.normal(image);
                image.scale(*weight);
                image
            }
            Weights::Each(_) => self.weighted_adjoint(self.forward(image), weights),
        }
    }

    /// `Aᴴ W y`
    pub fn weighted_adjoint(&self, mut data: T::Data, weights: &Weights) -> T::Image {
        match weights {
            Weights::Even(weight) => data.scale(*weight),
            Weights::Each(weights) => data.weigh(weights),
        }
        self.adjoint(&data)
    }

    /// Relative data residual `‖Λ(T x − y)‖ / ‖Λ y‖` (absolute when nothing but zeros was measured).
    pub fn residual(&self, image: &T::Image) -> f64 {
        let mut difference = self.forward(image);
        difference.add_scaled(-1.0, &self.measured);
        let scale = self.measured.norm();
        difference.norm() / if scale > 0.0 { scale } else { 1.0 }
    }
}

impl<T: Transform> LinearOperator for Problem<T> {
    type Image = T::Image;
    type Data = T::Data;

    fn image_shape(&self) -> Vec<usize> {
        self.transform.image_shape()
    }
    fn data_shape(&self) -> Vec<usize> {
        self.transform.data_shape()
    }
    fn forward(&self, image: &T::Image) -> T::Data {
        self.mask.select(self.transform.forward(image))
    }
    fn adjoint(&self, data: &T::Data) -> T::Image {
        self.transform.adjoint(&self.mask.select(data.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use ndarray::Array2;

    #[test]
    fn noise_of_other_data_is_refused() {
        let problem =
            Problem::new(Identity { rows: 2, cols: 3 }, Mask::full(6), Array2::zeros((2, 3))).unwrap();
        let noise = |entries: usize| DataNoise::Independent(vec![1.0; entries].into());
        assert!(problem.clone().with_noise(noise(6)).is_ok_and(|problem| problem.noise == noise(6)));
        assert!(problem.clone().with_noise(DataNoise::white(0.5)).is_ok());
        let refused = problem.with_noise(noise(5)).err();
        assert_eq!(refused, Some(OperatorError::NoiseLength { stds: 5, entries: 6 }));
    }
}
