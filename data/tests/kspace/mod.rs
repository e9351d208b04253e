//! The fixtures of raw k-space: their images by formula, and a transform that is slow and plain.

use ndarray::{Array2, Array3, ArrayView2};
use num_complex::{Complex32, Complex64};
use std::path::PathBuf;

/// A file that `make.py` made.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/raw").join(name)
}

/// The image of `make.py` at an index of up to five numbers.
pub(crate) fn value(index: &[usize]) -> Complex32 {
    let weights = &[13, 7, 5, 3, 2][5 - index.len()..];
    let total = weights.iter().zip(index).map(|(w, i)| w * i).sum::<usize>();
    Complex32::new((total % 11) as f32 - 5.0, ((3 * total) % 7) as f32 - 3.0)
}

/// The centred orthonormal inverse transform of a plane, term by term.
pub(crate) fn image_of(kspace: &ArrayView2<'_, Complex32>) -> Array2<Complex32> {
    let (rows, cols) = kspace.dim();
    let phase = |k: usize, n: usize, length: usize| {
        let middle = (length / 2) as f64;
        (k as f64 - middle) * (n as f64 - middle) / length as f64
    };
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let sum: Complex64 = kspace
            .indexed_iter()
            .map(|((k, l), sample)| {
                let turn = Complex64::from_polar(
                    1.0,
                    std::f64::consts::TAU * (phase(k, i, rows) + phase(l, j, cols)),
                );
                Complex64::new(sample.re.into(), sample.im.into()) * turn
            })
            .sum();
        let scaled = sum / ((rows * cols) as f64).sqrt();
        Complex32::new(scaled.re as f32, scaled.im as f32)
    })
}

/// Asserts that a slice (coil, row, col) is the k-space of `image`, to 1e-4.
pub(crate) fn assert_images(slice: &Array3<Complex32>, image: impl Fn(usize, usize, usize) -> Complex32) {
    for (coil, kspace) in slice.outer_iter().enumerate() {
        for ((row, col), found) in image_of(&kspace).indexed_iter() {
            let expected = image(coil, row, col);
            assert!((found - expected).norm() < 1e-4, "{coil} {row} {col}: {found} for {expected}");
        }
    }
}
