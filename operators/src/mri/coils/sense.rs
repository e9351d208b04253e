//! Images seen by coils whose sensitivities are known.

use crate::mri::Fourier;
use crate::{LinearOperator, OperatorError, Transform};
use ndarray::{Array2, Array3, Axis, Zip};
use num_complex::Complex32;
use rustfft::FftDirection;
use std::sync::Arc;

/// `(A x)_c = F(s_c x)` for complex images x and coil maps s (SENSE; Pruessmann et al., Magn. Reson. Med. 42, 1999; the
/// centred orthonormal F of [`Fourier`]).
///
/// The adjoint is `Σ_c conj(s_c) F⁻¹ y_c`; the inverse divides it by `Σ_c |s_c|²`, the least-squares solution for full
/// k-space, and is zero where all maps are. Image (row, col), data and maps (coil, row, col), all complex. The unit of the
/// data is that of the image times that of the maps. Cloning is cheap.
///
/// # Panics
/// When an array does not have the planned shape.
#[derive(Clone, Debug)]
pub struct Sense {
    fourier: Fourier,
    maps: Arc<Array3<Complex32>>,
    /// `Σ_c |s_c|²`
    energy: Arc<Array2<f32>>,
}

impl Sense {
    /// Plans for the coils with these `maps`, axes (coil, row, col).
    ///
    /// # Errors
    /// When there is no coil or no pixel, or a value is not finite.
    pub fn new(maps: Array3<Complex32>) -> Result<Self, OperatorError> {
        let (coils, rows, cols) = maps.dim();
        if coils == 0 {
            return Err(OperatorError::NoCoils);
        }
        if rows == 0 || cols == 0 {
            return Err(OperatorError::EmptyImage { rows, cols });
        }
        if !maps.iter().all(|value| value.is_finite()) {
            return Err(OperatorError::NotFinite("coil maps"));
        }
        let energy = maps.map(Complex32::norm_sqr).sum_axis(Axis(0));
        let maps = if maps.is_standard_layout() { maps } else { maps.as_standard_layout().into_owned() };
        Ok(Self { fourier: Fourier::new(rows, cols), maps: Arc::new(maps), energy: Arc::new(energy) })
    }

    /// The coil maps, axes (coil, row, col).
    pub fn maps(&self) -> &Array3<Complex32> {
        &self.maps
    }

    /// `Σ_c |s_c|²`, axes (row, col): 0 where no coil sees anything.
    pub fn energy(&self) -> &Array2<f32> {
        &self.energy
    }
}

impl LinearOperator for Sense {
    type Image = Array2<Complex32>;
    type Data = Array3<Complex32>;

    fn image_shape(&self) -> Vec<usize> {
        self.fourier.image_shape()
    }
    fn data_shape(&self) -> Vec<usize> {
        self.maps.shape().to_vec()
    }
    fn forward(&self, image: &Array2<Complex32>) -> Array3<Complex32> {
        let mut seen = Array3::clone(&self.maps);
        for mut coil in seen.outer_iter_mut() {
            coil.zip_mut_with(image, |map, &value| *map *= value);
        }
        self.fourier.transform_each(&mut seen, FftDirection::Forward);
        seen
    }
    fn adjoint(&self, data: &Array3<Complex32>) -> Array2<Complex32> {
        let mut seen = data.as_standard_layout().into_owned();
        self.fourier.transform_each(&mut seen, FftDirection::Inverse);
        let mut sum = Array2::zeros(self.energy.raw_dim());
        for (coil, map) in seen.outer_iter().zip(self.maps.outer_iter()) {
            Zip::from(&mut sum).and(coil).and(map).for_each(|sum, &value, map| *sum += map.conj() * value);
        }
        sum
    }
    fn normal(&self, image: &Array2<Complex32>) -> Array2<Complex32> {
        image * &self.energy.mapv(Complex32::from)
    }
}

impl Transform for Sense {
    fn inverse(&self, data: &Array3<Complex32>) -> Array2<Complex32> {
        let mut image = self.adjoint(data);
        Zip::from(&mut image).and(&*self.energy).for_each(|value, &energy| *value *= reciprocal(energy));
        image
    }
}

/// `1/v`, 0 for 0.
pub(super) fn reciprocal(value: f32) -> f32 {
    if value > 0.0 { 1.0 / value } else { 0.0 }
}

/// [`Sense`] for real images beside a known phase: `(A x)_c = F(s_c e^{iφ} x)`.
///
/// The adjoint over the reals is the real part of that of `Sense` for the maps `s_c e^{iφ}`. Image (row, col) and real, data
/// (coil, row, col) and complex.
///
/// # Panics
/// When an array does not have the planned shape.
#[derive(Clone, Debug)]
pub struct PhasedSense {
    sense: Sense,
}

impl PhasedSense {
    /// Plans for these `maps` (coil, row, col); `phase` is `e^{iφ}`, of modulus one everywhere, or `None` for φ = 0.
    ///
    /// # Errors
    /// As [`Sense::new`]; [`OperatorError::ShapeMismatch`] when the phase has not the rows and columns of the maps.
    pub fn new(
        mut maps: Array3<Complex32>,
        phase: Option<&Array2<Complex32>>,
    ) -> Result<Self, OperatorError> {
        if let Some(phase) = phase {
            if phase.shape() != &maps.shape()[1..] {
                let (reference, result) = (maps.shape()[1..].to_vec(), phase.shape().to_vec());
                return Err(OperatorError::ShapeMismatch { reference, result });
            }
            maps *= phase;
        }
        Ok(Self { sense: Sense::new(maps)? })
    }

    /// The operator on complex images, whose maps hold the phase.
    pub fn sense(&self) -> &Sense {
        &self.sense
    }
}

impl LinearOperator for PhasedSense {
    type Image = Array2<f32>;
    type Data = Array3<Complex32>;

    fn image_shape(&self) -> Vec<usize> {
        self.sense.image_shape()
    }
    fn data_shape(&self) -> Vec<usize> {
        self.sense.data_shape()
    }
    fn forward(&self, image: &Array2<f32>) -> Array3<Complex32> {
        self.sense.forward(&image.mapv(Complex32::from))
    }
    fn adjoint(&self, data: &Array3<Complex32>) -> Array2<f32> {
        self.sense.adjoint(data).mapv(|value| value.re)
    }
    fn normal(&self, image: &Array2<f32>) -> Array2<f32> {
        image * self.sense.energy()
    }
}

impl Transform for PhasedSense {
    fn inverse(&self, data: &Array3<Complex32>) -> Array2<f32> {
        self.sense.inverse(data).mapv(|value| value.re)
    }
}

/// The images of the coils: `F⁻¹ y_c`, axes (coil, row, col) on both sides.
pub fn coil_images(kspace: &Array3<Complex32>) -> Array3<Complex32> {
    transformed(kspace, FftDirection::Inverse)
}

/// The k-space of the images of coils: `F m_c`, axes (coil, row, col) on both sides.
pub fn coil_kspace(images: &Array3<Complex32>) -> Array3<Complex32> {
    transformed(images, FftDirection::Forward)
}

fn transformed(stack: &Array3<Complex32>, direction: FftDirection) -> Array3<Complex32> {
    let (_, rows, cols) = stack.dim();
    let mut stack = stack.as_standard_layout().into_owned();
    Fourier::new(rows, cols).transform_each(&mut stack, direction);
    stack
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mri::coils::birdcage;
    use crate::testing::{dot_test, inverse_test, linearity_test, normal_test};
    use crate::{Field, Mask, Problem};
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn random_maps(coils: usize, rows: usize, cols: usize) -> Array3<Complex32> {
        Field::randn(&[coils, rows, cols], &mut ChaCha8Rng::seed_from_u64(7))
    }

    fn phase(rows: usize, cols: usize) -> Array2<Complex32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| Complex32::cis(0.2 * i as f32 - 0.3 * j as f32))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn adjoint_and_inverse_are_exact(coils in 1_usize..6, rows in 1_usize..20, cols in 1_usize..24) {
            let complex = Sense::new(random_maps(coils, rows, cols)).unwrap();
            let real = PhasedSense::new(random_maps(coils, rows, cols), Some(&phase(rows, cols))).unwrap();
            prop_assert!(dot_test(&complex) < 1e-5 && dot_test(&real) < 1e-5);
            prop_assert!(linearity_test(&complex) < 1e-5 && linearity_test(&real) < 1e-5);
            prop_assert!(normal_test(&complex) < 1e-5 && normal_test(&real) < 1e-5);
            prop_assert!(inverse_test(&complex) < 1e-5 && inverse_test(&real) < 1e-5);
        }

        #[test]
        fn a_mask_over_coils_keeps_the_adjoint(coils in 1_usize..5, rows in 2_usize..12, cols in 4_usize..20) {
            let transform = Sense::new(birdcage(coils, rows, cols)).unwrap();
            let columns: Vec<bool> = (0..cols).map(|j| j % 3 == 0).collect();
            let mask = Mask::columns(rows, &columns).over_coils(coils);
            let measured = Array3::zeros((coils, rows, cols));
            let problem = Problem::new(transform, mask, measured).unwrap();
            prop_assert!(dot_test(&problem) < 1e-5);
        }
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let sense = Sense::new(birdcage(3, 131, 140)).unwrap();
        let image = Field::randn(&[131, 140], &mut ChaCha8Rng::seed_from_u64(1));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| sense.adjoint(&sense.forward(&image)))
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn where_no_coil_sees_there_is_nothing() {
        let mut maps = birdcage(2, 6, 6);
        maps.slice_mut(ndarray::s![.., 0, ..]).fill(Complex32::default());
        let sense = Sense::new(maps).unwrap();
        let image = sense.inverse(&Array3::from_elem((2, 6, 6), Complex32::new(1.0, 2.0)));
        assert!(image.row(0).iter().all(|value| *value == Complex32::default()));
        assert!(image.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn impossible_maps_are_refused() {
        assert_eq!(Sense::new(Array3::zeros((0, 4, 4))).err(), Some(OperatorError::NoCoils));
        assert!(Sense::new(Array3::zeros((2, 0, 4))).is_err());
        assert!(Sense::new(Array3::from_elem((1, 2, 2), Complex32::new(f32::NAN, 0.0))).is_err());
        assert!(PhasedSense::new(birdcage(2, 4, 4), Some(&phase(4, 5))).is_err());
    }
}
