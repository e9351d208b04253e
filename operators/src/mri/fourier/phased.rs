//! Real images whose phase is known.

use super::Fourier;
use crate::{LinearOperator, Transform};
use ndarray::{Array2, Zip};
use num_complex::Complex32;

/// `A x = F(e^{iφ} x)` for a real image x: the image of a single coil whose smooth phase φ is known.
///
/// The adjoint over the reals is `Re(e^{−iφ} F⁻¹ y)`; since F is unitary and the phase has modulus one it is
/// also the inverse, exact on `A x` and the least-squares solution for any other full k-space. Axes
/// (row, col), image real, data complex.
///
/// # Panics
/// When an array does not have the planned shape.
#[derive(Clone, Debug)]
pub struct PhasedFourier {
    fourier: Fourier,
    phase: Option<Array2<Complex32>>,
}

impl PhasedFourier {
    /// Plans the transform of `rows` × `cols` images; `phase` is `e^{iφ}`, of modulus one everywhere, or
    /// `None` for φ = 0.
    ///
    /// # Panics
    /// When the phase does not have `rows` × `cols` entries.
    pub fn new(rows: usize, cols: usize, phase: Option<Array2<Complex32>>) -> Self {
        if let Some(phase) = &phase {
            assert_eq!(phase.dim(), (rows, cols), "the phase does not have the shape of the image");
        }
        Self { fourier: Fourier::new(rows, cols), phase }
    }

    /// `e^{iφ}`, `None` where φ = 0.
    pub fn phase(&self) -> Option<&Array2<Complex32>> {
        self.phase.as_ref()
    }
}

impl LinearOperator for PhasedFourier {
    type Image = Array2<f32>;
    type Data = Array2<Complex32>;

    fn image_shape(&self) -> Vec<usize> {
        self.fourier.image_shape()
    }
    fn data_shape(&self) -> Vec<usize> {
        self.fourier.data_shape()
    }
    fn forward(&self, image: &Array2<f32>) -> Array2<Complex32> {
        let complex = match &self.phase {
            Some(phase) => Zip::from(phase).and(image).map_collect(|phase, &value| phase * value),
            None => image.mapv(Complex32::from),
        };
        self.fourier.forward(&complex)
    }
    fn adjoint(&self, data: &Array2<Complex32>) -> Array2<f32> {
        let complex = self.fourier.adjoint(data);
        match &self.phase {
            Some(phase) => {
                Zip::from(phase).and(&complex).map_collect(|phase, value| (phase.conj() * value).re)
            }
            None => complex.mapv(|value| value.re),
        }
    }
    fn normal(&self, image: &Array2<f32>) -> Array2<f32> {
        image.clone()
    }
}

impl Transform for PhasedFourier {
    fn inverse(&self, data: &Array2<Complex32>) -> Array2<f32> {
        self.adjoint(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dot_test, inverse_test, linearity_test, normal_test};
    use crate::{Field, Mask, Problem};

    fn wavy(rows: usize, cols: usize) -> Array2<Complex32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| Complex32::cis((0.3 * i as f32).sin() + 0.2 * j as f32))
    }

    #[test]
    fn it_is_linear_with_an_exact_adjoint_and_inverse() {
        for phase in [None, Some(wavy(15, 22))] {
            let operator = PhasedFourier::new(15, 22, phase);
            assert!(dot_test(&operator) < 1e-6);
            assert!(linearity_test(&operator) < 1e-6);
            assert!(inverse_test(&operator) < 1e-6);
            assert!(normal_test(&operator) < 1e-6);
        }
    }

    #[test]
    fn half_of_the_lines_have_an_exact_adjoint_too() {
        let transform = PhasedFourier::new(9, 12, Some(wavy(9, 12)));
        let mask =
            Mask::columns(9, &[true, false, false, true, true, true, true, true, false, true, false, false]);
        let measured = mask.select(transform.forward(&Array2::zeros((9, 12))));
        let problem = Problem::new(transform, mask, measured).unwrap();
        assert!(dot_test(&problem) < 1e-6);
        assert!(linearity_test(&problem) < 1e-6);
    }

    #[test]
    fn without_phase_it_is_the_plain_transform() {
        let image = Array2::from_shape_fn((6, 7), |(i, j)| (i * j) as f32);
        let plain = Fourier::new(6, 7).forward(&image.mapv(Complex32::from));
        let mut difference = PhasedFourier::new(6, 7, None).forward(&image);
        difference.add_scaled(-1.0, &plain);
        assert_eq!(difference.norm(), 0.0);
    }
}
