//! Complex images as real ones, for solvers that know real images only.

use super::Fourier;
use crate::{LinearOperator, Transform};
use ndarray::{Array2, Axis, concatenate};
use num_complex::Complex32;

/// `A x = F(x₁ + i x₂)` where `x` has the real part `x₁` above the imaginary part `x₂`: axes (2 · row, col), data (row, col).
///
/// The adjoint over the reals has the real part of `F⁻¹ y` above its imaginary part; since F is unitary it is also the
/// inverse.
///
/// # Panics
/// When an array does not have the planned shape.
#[derive(Clone, Debug)]
pub struct StackedFourier {
    fourier: Fourier,
    rows: usize,
}

impl StackedFourier {
    /// Plans the transform of complex images of `rows` × `cols`.
    pub fn new(rows: usize, cols: usize) -> Self {
        Self { fourier: Fourier::new(rows, cols), rows }
    }

    /// The complex image.
    pub fn joined(&self, image: &Array2<f32>) -> Array2<Complex32> {
        let (real, imaginary) = image.view().split_at(Axis(0), self.rows);
        ndarray::Zip::from(real).and(imaginary).map_collect(|&re, &im| Complex32::new(re, im))
    }

    /// The stack of the parts of a complex image.
    fn parts(image: &Array2<Complex32>) -> Array2<f32> {
        let (real, imaginary) = (image.mapv(|value| value.re), image.mapv(|value| value.im));
        concatenate(Axis(0), &[real.view(), imaginary.view()]).unwrap_or_default()
    }
}

impl LinearOperator for StackedFourier {
    type Image = Array2<f32>;
    type Data = Array2<Complex32>;

    fn image_shape(&self) -> Vec<usize> {
        let shape = self.fourier.image_shape();
        vec![2 * shape[0], shape[1]]
    }
    fn data_shape(&self) -> Vec<usize> {
        self.fourier.data_shape()
    }
    fn forward(&self, image: &Array2<f32>) -> Array2<Complex32> {
        self.fourier.forward(&self.joined(image))
    }
    fn adjoint(&self, data: &Array2<Complex32>) -> Array2<f32> {
        Self::parts(&self.fourier.adjoint(data))
    }
    fn normal(&self, image: &Array2<f32>) -> Array2<f32> {
        image.clone()
    }
}

impl Transform for StackedFourier {
    fn inverse(&self, data: &Array2<Complex32>) -> Array2<f32> {
        self.adjoint(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dot_test, inverse_test, linearity_test, normal_test};

    #[test]
    fn it_is_linear_with_an_exact_adjoint_and_inverse() {
        for (rows, cols) in [(1, 1), (5, 8), (12, 7)] {
            let stacked = StackedFourier::new(rows, cols);
            assert!(dot_test(&stacked) < 1e-6 && linearity_test(&stacked) < 1e-6);
            assert!(inverse_test(&stacked) < 1e-6 && normal_test(&stacked) < 1e-5);
        }
    }

    #[test]
    fn the_upper_half_is_the_real_part() {
        let stacked = StackedFourier::new(2, 3);
        let image = Array2::from_shape_fn((4, 3), |(i, j)| (3 * i + j) as f32);
        assert_eq!(stacked.joined(&image)[[1, 2]], Complex32::new(5.0, 11.0));
        let complex = Fourier::new(2, 3).forward(&stacked.joined(&image));
        assert_eq!(stacked.forward(&image), complex);
    }
}
