use super::*;
use crate::Field;
use crate::testing::{dot_test, inverse_test, linearity_test, normal_test};
use ndarray::{Array1, linalg::Dot};
use num_complex::Complex32;

fn sum(taps: impl Iterator<Item = f64>) -> f64 {
    taps.sum()
}

/// One level along one axis as a matrix, straight from the definition in double precision.
fn matrix(length: usize) -> Array2<f64> {
    let mut rows = Array2::zeros((length, length));
    for k in 0..length / 2 {
        for n in 0..8 {
            rows[[k, (2 * k + n) % length]] += f64::from(SCALING[n]);
            rows[[length / 2 + k, (2 * k + n) % length]] += f64::from(WAVELET[n]);
        }
    }
    rows
}

/// The transform by matrices.
fn oracle(image: &Array2<f64>, levels: u32) -> Array2<f64> {
    let mut coefficients = image.clone();
    for level in 0..levels {
        let (rows, cols) = (image.nrows() >> level, image.ncols() >> level);
        let mut part = coefficients.slice_mut(s![..rows, ..cols]);
        let split = matrix(rows).dot(&part).dot(&matrix(cols).t());
        part.assign(&split);
    }
    coefficients
}

#[test]
fn the_filter_is_orthonormal_with_four_vanishing_moments() {
    for shift in [0, 2, 4, 6] {
        let overlap = sum((shift..8).map(|n| f64::from(SCALING[n]) * f64::from(SCALING[n - shift])));
        assert!((overlap - f64::from(u8::from(shift == 0))).abs() < 2e-7, "{shift}: {overlap}");
    }
    for power in 0..4 {
        let moment = sum((0..8).map(|n| (n as f64).powi(power) * f64::from(WAVELET[n as usize])));
        assert!(moment.abs() < 3e-5, "{power}: {moment}");
    }
}

#[test]
fn it_is_an_isometry_with_its_adjoint_for_every_size() {
    for (rows, cols, levels) in [(16, 16, 1), (32, 48, 3), (17, 30, 2), (1, 5, 1), (240, 181, 4), (6, 2, 1)] {
        let wavelet = Wavelet::new(rows, cols, levels);
        assert!(dot_test(&wavelet) < 1e-6, "{wavelet:?}");
        assert!(inverse_test(&wavelet) < 2e-6, "{wavelet:?}");
        assert!(linearity_test(&wavelet) < 1e-6, "{wavelet:?}");
        assert!(normal_test(&wavelet) < 2e-6, "{wavelet:?}");
    }
}

#[test]
fn on_padded_sizes_no_coefficient_is_redundant() {
    let wavelet = Wavelet::new(24, 16, 3);
    let coefficients = Array2::from_shape_fn((24, 16), |(i, j)| ((i * 7 + j * 5) % 11) as f32 - 5.0);
    let back = wavelet.analyse(&wavelet.synthesise(&coefficients));
    assert!((&back - &coefficients).norm() < 2e-6 * coefficients.norm());
}

#[test]
fn it_is_the_product_of_matrices_that_the_definition_gives() {
    for (rows, cols, levels) in [(16, 24, 2), (32, 8, 3), (4, 4, 2)] {
        let image =
            Array2::from_shape_fn((rows, cols), |(i, j)| ((i * 13 + j * 29) % 17) as f32 / 17.0 - 0.3);
        let expected = oracle(&image.mapv(f64::from), levels).mapv(|value| value as f32);
        let found = Wavelet::new(rows, cols, levels).analyse(&image);
        assert!((&found - &expected).norm() < 2e-6 * expected.norm(), "{rows}x{cols}");
    }
}

#[test]
fn cubic_polynomials_have_no_details_away_from_the_border() {
    let cubic = Array2::from_shape_fn((64, 64), |(_, j)| {
        let x = j as f32 / 64.0;
        1.0 + x - 2.0 * x * x + 0.5 * x * x * x
    });
    let coefficients = Wavelet::new(64, 64, 1).analyse(&cubic);
    let details = coefficients.slice(s![..32, 32..60]);
    assert!(details.iter().all(|value| value.abs() < 1e-5));
    assert!(coefficients[[0, 63]].abs() > 0.01, "the border is no cubic");
}

#[test]
fn complex_images_are_two_real_ones() {
    let real = Array2::from_shape_fn((20, 12), |(i, j)| ((i * 3 + j) % 7) as f32);
    let imaginary = Array2::from_shape_fn((20, 12), |(i, j)| ((i + 5 * j) % 4) as f32);
    let complex = Array2::from_shape_fn((20, 12), |at| Complex32::new(real[at], imaginary[at]));
    let wavelet = Wavelet::new(20, 12, 2);
    let both = wavelet.analyse(&complex);
    assert_eq!(both.mapv(|c| c.re), wavelet.analyse(&real));
    assert_eq!(both.mapv(|c| c.im), wavelet.analyse(&imaginary));
    let difference = &wavelet.synthesise(&both) - &complex;
    assert!(difference.norm() < 2e-6 * complex.norm());
}

#[test]
fn levels_leave_something_to_approximate() {
    assert_eq!(Wavelet::fitting(256, 240, 4).levels(), 4);
    assert_eq!(Wavelet::fitting(20, 300, 4).levels(), 1);
    assert_eq!(Wavelet::fitting(3, 3, 4).levels(), 0);
    assert_eq!(Wavelet::fitting(240, 181, 4).padded(), (240, 192));
    let line: Array1<f32> = Wavelet::new(3, 3, 0).analyse(&Array2::ones((3, 3))).row(0).to_owned();
    assert_eq!(line, Array1::<f32>::ones(3));
}
