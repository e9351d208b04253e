//! What acts on all coils at a pixel, or along the readout.

use crate::OperatorError;
use ndarray::{Array2, Array3, Axis};
use num_complex::{Complex32, Complex64};
use rustfft::{FftDirection, FftPlanner};

/// `out_v = Σ_c M_vc y_c`, axes (coil, row, col).
pub(super) fn mixed(
    matrix: &Array2<Complex64>,
    data: &Array3<Complex32>,
) -> Result<Array3<Complex32>, OperatorError> {
    let (coils, rows, cols) = data.dim();
    if coils != matrix.ncols() {
        return Err(OperatorError::CoilCount { expected: matrix.ncols(), found: coils });
    }
    let mut out = Array3::zeros((matrix.nrows(), rows, cols));
    for (mut target, factors) in out.outer_iter_mut().zip(matrix.outer_iter()) {
        for (&factor, coil) in factors.iter().zip(data.outer_iter()) {
            let factor = super::calibration::narrow(factor);
            target.zip_mut_with(&coil, |sum, &value| *sum += factor * value);
        }
    }
    Ok(out)
}

/// The centred orthonormal Fourier transform along rows' direction (axis 1) of a stack with axes (coil, row, col), in place.
pub(super) fn transform_readout(stack: &mut Array3<Complex32>, direction: FftDirection) {
    let length = stack.len_of(Axis(1));
    if length == 0 {
        return;
    }
    let fft = FftPlanner::new().plan_fft(length, direction);
    let mut scratch = vec![Complex32::default(); fft.get_inplace_scratch_len()];
    let mut values = vec![Complex32::default(); length];
    let scale = 1.0 / (length as f32).sqrt();
    for mut lane in stack.lanes_mut(Axis(1)) {
        values.iter_mut().zip(&lane).for_each(|(value, &entry)| *value = entry);
        values.rotate_left(length / 2);
        fft.process_with_scratch(&mut values, &mut scratch);
        values.rotate_right(length / 2);
        lane.iter_mut().zip(&values).for_each(|(entry, &value)| *entry = value * scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mri::Fourier;
    use crate::{Field, LinearOperator};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn along_a_single_column_it_is_the_plane_transform() {
        for length in [8, 11] {
            let x = Array3::<Complex32>::randn(&[1, length, 1], &mut ChaCha8Rng::seed_from_u64(1));
            let mut found = x.clone();
            transform_readout(&mut found, FftDirection::Forward);
            let expected = Fourier::new(length, 1).forward(&x.index_axis(Axis(0), 0).to_owned());
            found.index_axis_mut(Axis(0), 0).zip_mut_with(&expected, |a, &b| *a -= b);
            assert!(found.norm() < 1e-5);
        }
    }
}
