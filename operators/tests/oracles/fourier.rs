//! The centred transform against fastMRI.

use crate::common;
use ndarray::Array2;
use num_complex::Complex32;
use recon_operators::{Fourier, LinearOperator};

fn largest(values: &Array2<Complex32>) -> f32 {
    values.iter().map(|value| value.norm()).fold(0.0, f32::max)
}

#[test]
fn transforms_are_those_of_fastmri() {
    let arrays = common::arrays("fft2c");
    for (rows, cols) in [(8, 8), (7, 9), (64, 48), (5, 6)] {
        let fourier = Fourier::new(rows, cols);
        for index in 0..2 {
            let load = |kind: &str| arrays.complex(&format!("{kind}_{rows}x{cols}"), index);
            let x = load("x");
            let tolerance = 1e-6 * largest(&x);
            assert!(largest(&(fourier.forward(&x) - load("fft2c"))) < tolerance, "{rows}x{cols}");
            assert!(largest(&(fourier.adjoint(&x) - load("ifft2c"))) < tolerance, "{rows}x{cols}");
        }
        let mut delta = Array2::zeros((rows, cols));
        delta[[rows / 2, cols / 2]] = Complex32::new(1.0, 0.0);
        let expected = arrays.complex(&format!("delta_fft_{rows}x{cols}"), 0);
        assert!(largest(&(fourier.forward(&delta) - expected)) < 1e-6);
    }
}
