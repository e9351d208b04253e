//! Fewer virtual coils that see nearly as much.

use super::calibration::coil_covariance;
use super::linear::Eigen;
use super::mix::{mixed, transform_readout};
use crate::OperatorError;
use ndarray::{Array2, Array3, Axis};
use num_complex::{Complex32, Complex64};
use rustfft::FftDirection;

/// Below this a virtual coil has no counterpart at the next place.
const UNRELATED: f64 = 1e-6;

/// Virtual coils `y'_v = Σ_c conj(u_vc) y_c`, with orthonormal u: those with the most energy in calibration data (Huang et al.,
/// Magn. Reson. Imaging 26, 2008).
///
/// White noise stays white. Data, images and maps are compressed alike.
#[derive(Clone, Debug, PartialEq)]
pub struct CoilCompression {
    matrix: Array2<Complex64>,
    kept: f64,
}

impl CoilCompression {
    /// So many virtual coils for data with axes (coil, row, col), of which a part may be enough.
    ///
    /// # Errors
    /// [`OperatorError::VirtualCoils`] unless there are 1 to as many as coils; [`OperatorError::NotFinite`].
    pub fn of(data: &Array3<Complex32>, virtual_coils: usize) -> Result<Self, OperatorError> {
        check(data, virtual_coils)?;
        let Eigen { values, vectors } = Eigen::all(coil_covariance(data));
        let total: f64 = values.iter().sum();
        let kept: f64 = values[..virtual_coils].iter().sum();
        let kept = if total > 0.0 { (kept / total).min(1.0) } else { 1.0 };
        Ok(Self { matrix: leading(&vectors, virtual_coils), kept })
    }

    /// The share of the energy of the calibration data that the virtual coils have.
    pub fn kept(&self) -> f64 {
        self.kept
    }

    /// `y'`, axes (virtual coil, row, col), of data, images or maps with axes (coil, row, col).
    ///
    /// # Errors
    /// [`OperatorError::CoilCount`] when there are more or fewer coils than in the calibration data.
    pub fn compress(&self, data: &Array3<Complex32>) -> Result<Array3<Complex32>, OperatorError> {
        mixed(&self.matrix, data)
    }
}

fn check(data: &Array3<Complex32>, asked: usize) -> Result<(), OperatorError> {
    let coils = data.len_of(Axis(0));
    if asked == 0 || asked > coils {
        return Err(OperatorError::VirtualCoils { asked, coils });
    }
    if !data.iter().all(|value| value.is_finite()) {
        return Err(OperatorError::NotFinite("calibration data"));
    }
    Ok(())
}

fn leading(vectors: &Array2<Complex64>, count: usize) -> Array2<Complex64> {
    Array2::from_shape_fn((count, vectors.ncols()), |(v, c)| vectors[[v, c]].conj())
}

/// Other virtual coils at every place along a fully sampled readout (Zhang et al., Magn. Reson. Med. 69, 2013).
///
/// A place sees less of the object than the whole image, so fewer virtual coils do. Those of each place are turned to be as
/// close as they can to those of the place before, so that images stay smooth.
#[derive(Clone, Debug, PartialEq)]
pub struct GeometricCompression {
    /// One matrix for every place.
    matrices: Vec<Array2<Complex64>>,
}

impl GeometricCompression {
    /// So many virtual coils for k-space with axes (coil, row, col), whose rows are a fully sampled readout and of whose columns
    /// some may be enough.
    ///
    /// # Errors
    /// As [`CoilCompression::of`].
    pub fn of(kspace: &Array3<Complex32>, virtual_coils: usize) -> Result<Self, OperatorError> {
        check(kspace, virtual_coils)?;
        let mut hybrid = kspace.clone();
        transform_readout(&mut hybrid, FftDirection::Inverse);
        let mut matrices: Vec<Array2<Complex64>> = Vec::with_capacity(hybrid.len_of(Axis(1)));
        for place in hybrid.axis_chunks_iter(Axis(1), 1) {
            let vectors = Eigen::all(coil_covariance(&place.to_owned())).vectors;
            let own = leading(&vectors, virtual_coils);
            let aligned = match matrices.last() {
                Some(before) => aligned(&own, before),
                None => own,
            };
            matrices.push(aligned);
        }
        Ok(Self { matrices })
    }

    /// K-space of the virtual coils, axes (virtual coil, row, col), of that of the coils.
    ///
    /// # Errors
    /// [`OperatorError::CoilCount`] when there are other coils, [`OperatorError::ShapeMismatch`] when there are other rows than in
    /// the calibration data.
    pub fn compress(&self, kspace: &Array3<Complex32>) -> Result<Array3<Complex32>, OperatorError> {
        let (coils, rows, cols) = kspace.dim();
        if rows != self.matrices.len() {
            let (reference, result) = (vec![coils, self.matrices.len(), cols], vec![coils, rows, cols]);
            return Err(OperatorError::ShapeMismatch { reference, result });
        }
        let mut hybrid = kspace.clone();
        transform_readout(&mut hybrid, FftDirection::Inverse);
        let count = self.matrices.first().map_or(0, Array2::nrows);
        let mut out = Array3::zeros((count, rows, cols));
        let places = hybrid.axis_chunks_iter(Axis(1), 1).zip(out.axis_chunks_iter_mut(Axis(1), 1));
        for ((place, mut target), matrix) in places.zip(&self.matrices) {
            target.assign(&mixed(matrix, &place.to_owned())?);
        }
        transform_readout(&mut out, FftDirection::Forward);
        Ok(out)
    }
}

/// `P A` with the unitary P for which it is closest to `before`: the polar factor of `before Aᴴ`.
fn aligned(own: &Array2<Complex64>, before: &Array2<Complex64>) -> Array2<Complex64> {
    let product = before.dot(&own.t().mapv(|value| value.conj()));
    let Eigen { values, vectors } = Eigen::all(product.t().mapv(|value| value.conj()).dot(&product));
    if values.iter().any(|&value| value < UNRELATED) {
        return own.clone();
    }
    // Σ (M z/s) zᴴ
    let right = Array2::from_shape_fn(vectors.dim(), |(k, n)| vectors[[k, n]].conj() / values[k].sqrt());
    product.dot(&vectors.t()).dot(&right).dot(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;
    use crate::mri::coils::{birdcage, coil_images, coil_kspace, root_sum_of_squares};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn seen(coils: usize, rows: usize, cols: usize) -> Array3<Complex32> {
        let inside = |i: usize, j: usize| {
            let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
            f32::from(u8::from((y / 0.45).hypot(x / 0.35) < 1.0)) * (1.0 + 0.5 * (0.4 * i as f32).sin())
        };
        coil_kspace(
            &(birdcage(coils, rows, cols)
                * &Array2::from_shape_fn((rows, cols), |(i, j)| Complex32::from(inside(i, j)))),
        )
    }

    fn lost(full: &Array3<Complex32>, compressed: &Array3<Complex32>) -> f64 {
        let image = root_sum_of_squares(&coil_images(full));
        let mut difference = root_sum_of_squares(&coil_images(compressed));
        difference.add_scaled(-1.0, &image);
        difference.norm() / image.norm()
    }

    #[test]
    fn as_many_virtual_coils_lose_nothing() {
        let data = seen(5, 20, 24);
        let all = CoilCompression::of(&data, 5).unwrap();
        assert!(lost(&data, &all.compress(&data).unwrap()) < 1e-5 && (all.kept() - 1.0).abs() < 1e-9);
        let geometric = GeometricCompression::of(&data, 5).unwrap();
        assert!(lost(&data, &geometric.compress(&data).unwrap()) < 1e-5);
    }

    #[test]
    fn the_energy_that_is_kept_is_the_energy_of_the_result() {
        let data = seen(8, 32, 30);
        for count in [1, 2, 4] {
            let compression = CoilCompression::of(&data, count).unwrap();
            let found = compression.compress(&data).unwrap();
            assert_eq!(found.dim(), (count, 32, 30));
            assert!((found.norm().powi(2) / data.norm().powi(2) - compression.kept()).abs() < 1e-5);
        }
    }

    #[test]
    fn a_place_needs_fewer_coils_than_the_image() {
        let data = seen(12, 48, 40);
        let one = CoilCompression::of(&data, 3).unwrap().compress(&data).unwrap();
        let many = GeometricCompression::of(&data, 3).unwrap().compress(&data).unwrap();
        assert!(lost(&data, &many) < 0.5 * lost(&data, &one), "{} {}", lost(&data, &many), lost(&data, &one));
    }

    #[test]
    fn neighbours_are_aligned() {
        let data = seen(8, 48, 40);
        let GeometricCompression { matrices } = GeometricCompression::of(&data, 3).unwrap();
        let size = |a: &Array2<Complex64>| a.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
        // Within the body, whose first and last rows are dark.
        for pair in matrices[8..40].windows(2) {
            assert!(size(&(&pair[0] - &pair[1])) < 0.3);
        }
        for matrix in &matrices {
            let unit = matrix.dot(&matrix.t().mapv(|value| value.conj()));
            assert!(size(&(unit - Array2::<Complex64>::eye(3))) < 1e-9);
        }
    }

    #[test]
    fn white_noise_stays_white() {
        let noise = Array3::<Complex32>::randn(&[6, 64, 64], &mut ChaCha8Rng::seed_from_u64(1));
        let found = CoilCompression::of(&seen(6, 32, 32), 2).unwrap().compress(&noise).unwrap();
        let covariance = coil_covariance(&found) / (2.0 * 4096.0);
        assert!((covariance[[0, 0]].re - 1.0).abs() < 0.06 && covariance[[0, 1]].norm() < 0.06);
    }

    #[test]
    fn impossible_numbers_are_refused() {
        assert!(CoilCompression::of(&seen(2, 8, 8), 3).is_err());
        assert!(GeometricCompression::of(&seen(2, 8, 8), 0).is_err());
        let compression = CoilCompression::of(&seen(3, 8, 8), 2).unwrap();
        assert!(compression.compress(&seen(2, 8, 8)).is_err());
    }
}
