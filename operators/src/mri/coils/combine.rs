//! One image from those of all coils.

use super::CoilMaps;
use super::calibration::{fix_phase, principal_coil};
use super::pointwise::leading;
use super::sense::reciprocal;
use crate::OperatorError;
use ndarray::{Array2, Array3, Axis, Zip, s};
use num_complex::Complex32;
use rayon::prelude::*;

/// `√(Σ_c |m_c|²)` of images with axes (coil, row, col) (Roemer et al., Magn. Reson. Med. 16, 1990). Axes (row, col).
pub fn root_sum_of_squares(images: &Array3<Complex32>) -> Array2<f32> {
    images.map(Complex32::norm_sqr).sum_axis(Axis(0)).mapv(f32::sqrt)
}

/// `Σ_c conj(s_c) m_c / Σ_c |s_c|²` of images m and maps s with axes (coil, row, col): of the largest signal-to-noise ratio for
/// white noise (Roemer et al. 1990); 0 where all maps are. Axes (row, col).
///
/// # Errors
/// [`OperatorError::ShapeMismatch`] when images and maps differ in shape.
pub fn sense_combination(
    images: &Array3<Complex32>,
    maps: &Array3<Complex32>,
) -> Result<Array2<Complex32>, OperatorError> {
    if images.dim() != maps.dim() {
        let (reference, result) = (maps.shape().to_vec(), images.shape().to_vec());
        return Err(OperatorError::ShapeMismatch { reference, result });
    }
    let (_, rows, cols) = images.dim();
    let mut sum = Array2::<Complex32>::zeros((rows, cols));
    let mut energy = Array2::<f32>::zeros((rows, cols));
    for (image, map) in images.outer_iter().zip(maps.outer_iter()) {
        Zip::from(&mut sum).and(image).and(map).for_each(|sum, &value, map| *sum += map.conj() * value);
        energy.zip_mut_with(&map, |energy, map| *energy += map.norm_sqr());
    }
    sum.zip_mut_with(&energy, |value, &energy| *value *= reciprocal(energy));
    Ok(sum)
}

/// Maps from the images alone, axes (coil, row, col): at every pixel the leading eigenvector of the covariance of the coils within
/// a window of `2 · reach + 1` rows and columns around it (Walsh, Gmitro and Marcellin, Magn. Reson. Med. 43, 2000).
///
/// Noise is supposed to be white across coils. The phase is such that the virtual coil with the most energy has none. The
/// confidence is the share of the energy within the window that one map explains.
pub fn adaptive_maps(images: &Array3<Complex32>, reach: usize) -> CoilMaps {
    let (coils, rows, cols) = images.dim();
    let found: Vec<(Array2<Complex32>, Vec<f32>)> =
        (0..rows).into_par_iter().map(|row| adaptive_row(images, row, reach)).collect();
    let mut maps = Array3::from_shape_fn((coils, rows, cols), |(c, i, j)| found[i].0[[j, c]]);
    let confidence = Array2::from_shape_fn((rows, cols), |(i, j)| found[i].1[j]);
    if coils > 0 {
        fix_phase(&mut maps, &principal_coil(images));
    }
    CoilMaps { maps, confidence }
}

/// [`sense_combination`] with [`adaptive_maps`]. Axes (row, col).
pub fn adaptive(images: &Array3<Complex32>, reach: usize) -> Array2<Complex32> {
    let CoilMaps { maps, .. } = adaptive_maps(images, reach);
    let (_, rows, cols) = images.dim();
    sense_combination(images, &maps).unwrap_or_else(|_| Array2::zeros((rows, cols)))
}

/// Eigenvectors, axes (col, coil), and the shares of the energy that they have, along a row.
fn adaptive_row(images: &Array3<Complex32>, row: usize, reach: usize) -> (Array2<Complex32>, Vec<f32>) {
    let (coils, rows, cols) = images.dim();
    let near = |at: usize, length: usize| at.saturating_sub(reach)..length.min(at + reach + 1);
    let strip = images.slice(s![.., near(row, rows), ..]);
    // The covariance over the rows of the window, for each column.
    let mut columns = Array3::<Complex32>::zeros((cols, coils, coils));
    for ((j, c, d), sum) in columns.indexed_iter_mut().filter(|((_, c, d), _)| c <= d) {
        let pairs = strip.slice(s![c, .., j]).into_iter().zip(strip.slice(s![d, .., j]));
        *sum = pairs.map(|(a, b)| a * b.conj()).sum();
    }
    let none = Array2::zeros((0, coils));
    let mut vectors = Array2::zeros((cols, coils));
    let shares = (0..cols).map(|j| {
        let mut matrix = columns.slice(s![near(j, cols), .., ..]).sum_axis(Axis(0));
        for (c, d) in (0..coils).flat_map(|c| (0..c).map(move |d| (c, d))) {
            matrix[[c, d]] = matrix[[d, c]].conj();
        }
        let value = leading(&matrix, &none.view(), vectors.row_mut(j));
        let total: f32 = matrix.diag().iter().map(|value| value.re).sum();
        (value * reciprocal(total)).min(1.0)
    });
    let shares = shares.collect();
    (vectors, shares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;
    use crate::mri::coils::birdcage;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn image(rows: usize, cols: usize) -> Array2<Complex32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| {
            let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
            Complex32::from_polar(f32::from(u8::from(x.hypot(y) < 0.45)) + 0.5, 0.5 * x)
        })
    }

    #[test]
    fn the_image_comes_back_from_its_maps() {
        let (maps, image) = (birdcage(6, 30, 27), image(30, 27));
        let scaled = maps.mapv(|value| value * 3.0);
        let found = sense_combination(&(&scaled * &image), &scaled).unwrap();
        assert!((&found - &image).norm() < 1e-6 * image.norm());
        assert!(sense_combination(&maps, &birdcage(6, 30, 28)).is_err());
    }

    #[test]
    fn maps_of_length_one_give_the_same_modulus_everywhere() {
        let (maps, image) = (birdcage(6, 30, 27), image(30, 27));
        let modulus = image.mapv(Complex32::norm);
        assert!((root_sum_of_squares(&(&maps * &image)) - &modulus).norm() < 1e-5 * modulus.norm());
        let found = adaptive(&(&maps * &image), 2).mapv(Complex32::norm);
        assert!((found - &modulus).norm() < 0.01 * modulus.norm());
    }

    #[test]
    fn adaptive_maps_let_less_noise_through_where_nothing_is() {
        let mut seen = birdcage(8, 48, 48) * &image(48, 48).mapv(|value| value * 20.0);
        seen.slice_mut(s![.., ..12, ..]).fill(Complex32::default());
        seen.add_scaled(1.0, &Field::randn(&[8, 48, 48], &mut ChaCha8Rng::seed_from_u64(1)));
        let dark = |image: &Array2<f32>| image.slice(s![..8, ..]).to_owned().norm();
        let (squares, adapted) = (root_sum_of_squares(&seen), adaptive(&seen, 3).mapv(Complex32::norm));
        assert!(dark(&adapted) < 0.7 * dark(&squares));
        let confidence = adaptive_maps(&seen, 3).confidence;
        assert!(confidence[[30, 24]] > 0.9 && confidence[[4, 24]] < 0.6);
    }

    #[test]
    fn no_coils_and_no_signal_give_zeros() {
        assert_eq!(adaptive(&Array3::zeros((0, 3, 4)), 1), Array2::zeros((3, 4)));
        assert_eq!(adaptive(&Array3::zeros((2, 3, 4)), 1), Array2::zeros((3, 4)));
    }
}
