//! Noise that coils share, and data without what they share.

use super::linear::{cholesky, gram, solve_lower};
use super::mix::{mixed, transform_readout};
use crate::{Mask, OperatorError};
use ndarray::{Array2, Array3, Axis};
use num_complex::{Complex32, Complex64};
use rustfft::FftDirection;

/// One in so many rows of the readout is taken for background.
const BACKGROUND: usize = 8;
/// One in so many single samples is far enough from the centre.
const PERIPHERY: usize = 10;

/// The covariance `Ψ = E[n nᴴ]/2` of the noise n of the coils: that of the real and of the imaginary part each, so that Ψ = 1 is
/// noise of standard deviation 1 as [`DataNoise`](crate::DataNoise) counts it. In the unit of the data, squared.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseCovariance {
    matrix: Array2<Complex64>,
    /// `L⁻¹` with `L Lᴴ = Ψ`.
    whitening: Array2<Complex64>,
}

impl NoiseCovariance {
    /// Of a noise scan, axes (coil, sample); its mean is taken to be zero.
    ///
    /// # Errors
    /// [`OperatorError::NoCoils`]; [`OperatorError::TooFewNoiseSamples`] for fewer than two samples a coil;
    /// [`OperatorError::SingularNoise`] when a coil is silent or a combination of others, or a value is not finite.
    pub fn of_samples(samples: &Array2<Complex32>) -> Result<Self, OperatorError> {
        let (coils, count) = samples.dim();
        if coils == 0 {
            return Err(OperatorError::NoCoils);
        }
        if count < 2 * coils {
            return Err(OperatorError::TooFewNoiseSamples { samples: count, coils });
        }
        let matrix = gram(&samples.mapv(super::calibration::widen)).mapv(|value| value / (2 * count) as f64);
        let lower = cholesky(&matrix).ok_or(OperatorError::SingularNoise)?;
        let mut whitening = Array2::eye(coils);
        solve_lower(&lower, &mut whitening);
        Ok(Self { matrix, whitening })
    }

    /// Of the data of a scan without a noise scan, axes (coil, row, col); the mask has one flag a sample of one coil.
    ///
    /// Where whole lines were measured, the image along them shows where there is nothing: the eighth of its places with the
    /// least energy is taken for noise. Otherwise the tenth of the samples farthest from the centre is, which holds some signal
    /// too. Data that were padded with zeros have too little noise for either.
    ///
    /// # Errors
    /// As [`NoiseCovariance::of_samples`]; [`OperatorError::MaskLength`] when the mask has another size.
    pub fn of_kspace(kspace: &Array3<Complex32>, mask: &Mask) -> Result<Self, OperatorError> {
        let (_, rows, cols) = kspace.dim();
        let flags = mask.kept().len();
        if flags != rows * cols {
            return Err(OperatorError::MaskLength { flags, entries: rows * cols });
        }
        let kept = Array2::from_shape_vec((rows, cols), mask.kept().to_vec()).unwrap_or_default();
        let samples = match (lines(&kept), lines(&kept.t().to_owned())) {
            (Some(lines), _) => background(kspace.clone(), &lines),
            (None, Some(lines)) => background(kspace.clone().permuted_axes([0, 2, 1]), &lines),
            (None, None) => periphery(kspace, &kept),
        };
        Self::of_samples(&samples)
    }

    /// Ψ, axes (coil, coil).
    pub fn matrix(&self) -> &Array2<Complex64> {
        &self.matrix
    }

    /// `L⁻¹ y` with `L Lᴴ = Ψ`: data, images or maps of coils, axes (coil, row, col), whose noise has covariance 1.
    ///
    /// Data and maps must be whitened alike; the image is then the same as before.
    ///
    /// # Errors
    /// [`OperatorError::CoilCount`] when there are more or fewer coils than were measured.
    pub fn whiten(&self, data: &Array3<Complex32>) -> Result<Array3<Complex32>, OperatorError> {
        mixed(&self.whitening, data)
    }
}

/// The measured columns, if no column was measured in part.
fn lines(kept: &Array2<bool>) -> Option<Vec<usize>> {
    let whole = |column: ndarray::ArrayView1<'_, bool>| column.iter().all(|&kept| kept);
    let none = |column: ndarray::ArrayView1<'_, bool>| column.iter().all(|&kept| !kept);
    let columns = kept.columns();
    let even = columns.into_iter().all(|column| whole(column) || none(column));
    let measured = kept.columns().into_iter().enumerate().filter(|(_, column)| whole(*column));
    even.then(|| measured.map(|(at, _)| at).collect())
}

/// The values at the weakest places along the readout (axis 1) of the measured lines, axes (coil, sample).
fn background(mut kspace: Array3<Complex32>, lines: &[usize]) -> Array2<Complex32> {
    transform_readout(&mut kspace, FftDirection::Inverse);
    let (coils, rows, _) = kspace.dim();
    let energy = |row: usize| -> f64 {
        let place = kspace.index_axis(Axis(1), row);
        place.iter().map(|value| f64::from(value.norm_sqr())).sum()
    };
    let mut places: Vec<(f64, usize)> = (0..rows).map(|row| (energy(row), row)).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    places.truncate(rows.div_ceil(BACKGROUND));
    let count = lines.len();
    Array2::from_shape_fn((coils, places.len() * count), |(coil, n)| {
        kspace[[coil, places[n / count].1, lines[n % count]]]
    })
}

/// The measured samples farthest from the centre, axes (coil, sample).
fn periphery(kspace: &Array3<Complex32>, kept: &Array2<bool>) -> Array2<Complex32> {
    let (rows, cols) = kept.dim();
    let offset = |index: usize, length: usize| index as f64 / length as f64 - 0.5;
    let measured = kept.indexed_iter().filter(|(_, kept)| **kept);
    let mut places: Vec<(f64, (usize, usize))> =
        measured.map(|((i, j), _)| (-offset(i, rows).hypot(offset(j, cols)), (i, j))).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    places.truncate(places.len().div_ceil(PERIPHERY));
    Array2::from_shape_fn((kspace.len_of(Axis(0)), places.len()), |(coil, n)| {
        let (i, j) = places[n].1;
        kspace[[coil, i, j]]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mri::coils::{birdcage, coil_kspace};
    use crate::{Field, SamplingPlan};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// White noise mixed across coils, of covariance M Mᴴ.
    fn mixing(coils: usize) -> Array2<Complex64> {
        Array2::from_shape_fn((coils, coils), |(i, j)| {
            let diagonal = if i == j { 1.0 + i as f64 } else { 0.0 };
            Complex64::new(diagonal + 0.2 * ((i * 3 + j) % 4) as f64, 0.3 * ((i + 2 * j) % 3) as f64)
        })
    }

    fn noise(coils: usize, rows: usize, cols: usize, seed: u64) -> Array3<Complex32> {
        let white = Field::randn(&[coils, rows, cols], &mut ChaCha8Rng::seed_from_u64(seed));
        mixed(&mixing(coils), &white).expect("as many coils")
    }

    fn flat(data: &Array3<Complex32>) -> Array2<Complex32> {
        let (coils, rows, cols) = data.dim();
        data.to_shape((coils, rows * cols)).expect("in order").to_owned()
    }

    /// The largest difference of the covariance from `factor` times that of white noise.
    fn from_white(data: &Array3<Complex32>, factor: f64) -> f64 {
        let count = data.len() / data.len_of(Axis(0));
        let covariance = gram(&flat(data).mapv(super::super::calibration::widen)) / (2 * count) as f64;
        let white = Array2::<Complex64>::eye(data.len_of(Axis(0))) * factor;
        (covariance - white).iter().map(|value| value.norm()).fold(0.0, f64::max)
    }

    #[test]
    fn the_covariance_is_that_of_the_mixture() {
        let found = NoiseCovariance::of_samples(&flat(&noise(4, 200, 200, 1))).unwrap();
        let expected = mixing(4).dot(&mixing(4).t().mapv(|value| value.conj()));
        let largest = expected.iter().map(|value| value.norm()).fold(0.0, f64::max);
        // 40,000 samples: five standard errors are 2.5 % of the largest variance.
        for (found, expected) in found.matrix().iter().zip(&expected) {
            assert!((found - expected).norm() < 0.025 * largest);
        }
    }

    #[test]
    fn whitened_noise_of_another_draw_is_white() {
        let covariance = NoiseCovariance::of_samples(&flat(&noise(5, 200, 200, 1))).unwrap();
        let whitened = covariance.whiten(&noise(5, 200, 200, 2)).unwrap();
        // Errors of both draws, √2/200, five times.
        assert!(from_white(&whitened, 1.0) < 0.035);
        assert!(from_white(&noise(5, 200, 200, 2), 1.0) > 1.0);
    }

    #[test]
    fn a_scan_tells_its_noise_too() {
        let (rows, cols) = (128, 96);
        let body = Array2::from_shape_fn((rows, cols), |(i, j)| {
            let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
            Complex32::from(300.0 * f32::from(u8::from((y / 0.35).hypot(x / 0.4) < 1.0)))
        });
        let kspace = coil_kspace(&(birdcage(4, rows, cols) * &body)) + noise(4, rows, cols, 3);
        for mask in [Mask::full(rows * cols), SamplingPlan::equispaced(3.0).mask(rows, cols).unwrap()] {
            let measured = mask.over_coils(4).select(kspace.clone());
            let covariance = NoiseCovariance::of_kspace(&measured, &mask).unwrap();
            let whitened = covariance.whiten(&noise(4, 200, 200, 4)).unwrap();
            assert!(from_white(&whitened, 1.0) < 0.25, "{}", from_white(&whitened, 1.0));
        }
    }

    #[test]
    fn noise_that_cannot_be_inverted_is_refused() {
        let mut twins = flat(&noise(2, 10, 10, 1));
        let first = twins.row(0).to_owned();
        twins.row_mut(1).assign(&first);
        assert_eq!(NoiseCovariance::of_samples(&twins), Err(OperatorError::SingularNoise));
        assert!(NoiseCovariance::of_samples(&Array2::zeros((0, 9))).is_err());
        assert!(NoiseCovariance::of_samples(&Array2::zeros((3, 5))).is_err());
        let covariance = NoiseCovariance::of_samples(&flat(&noise(2, 10, 10, 1))).unwrap();
        assert!(covariance.whiten(&noise(3, 4, 4, 1)).is_err());
    }
}
