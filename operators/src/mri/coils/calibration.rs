//! The fully sampled centre of k-space, from which coils are calibrated.

use super::linear::Eigen;
use crate::{Mask, OperatorError};
use ndarray::{Array1, Array2, Array3, Axis, s};
use num_complex::{Complex32, Complex64};

/// The fully sampled block around the centre (index n/2) of k-space, axes (coil, row, col).
///
/// Of the blocks in which the mask kept everything, with at most `largest` rows and columns, it is the one with the most samples;
/// its centre is again at index n/2. The mask has one flag a sample of one coil.
///
/// # Errors
/// [`OperatorError::MaskLength`] when the mask has another size, [`OperatorError::NoCoils`], and
/// [`OperatorError::CalibrationTooSmall`] when not even the centre was sampled.
pub fn calibration_block(
    kspace: &Array3<Complex32>,
    mask: &Mask,
    largest: usize,
) -> Result<Array3<Complex32>, OperatorError> {
    let (coils, rows, cols) = kspace.dim();
    if coils == 0 {
        return Err(OperatorError::NoCoils);
    }
    let flags = mask.kept().len();
    if flags != rows * cols {
        return Err(OperatorError::MaskLength { flags, entries: rows * cols });
    }
    let (height, width) = sampled_block(mask.kept(), (rows, cols), largest);
    if height * width == 0 {
        return Err(OperatorError::CalibrationTooSmall { rows: 0, cols: 0, needed: "1x1".to_owned() });
    }
    let (top, left) = (first(rows, height), first(cols, width));
    Ok(kspace.slice(s![.., top..top + height, left..left + width]).to_owned())
}

/// Where a block of so many of `length` entries starts, so that the centres are the same.
fn first(length: usize, of_block: usize) -> usize {
    length / 2 - of_block / 2
}

/// Rows and columns of the largest fully sampled block.
fn sampled_block(kept: &[bool], (rows, cols): (usize, usize), largest: usize) -> (usize, usize) {
    let sampled = |height: usize, width: usize| {
        let (top, left) = (first(rows, height), first(cols, width));
        (top..top + height).all(|i| kept[i * cols + left..i * cols + left + width].iter().all(|&kept| kept))
    };
    let mut best = (0, 0);
    let mut width = cols.min(largest);
    for height in 1..=rows.min(largest) {
        // More rows never allow more columns.
        while width > 0 && !sampled(height, width) {
            width -= 1;
        }
        if height * width >= best.0 * best.1 {
            best = (height, width);
        }
    }
    best
}

/// `Σ y yᴴ` over samples y of all coils, axes (coil, coil), from data with the coils along the first axis.
pub(super) fn coil_covariance(data: &Array3<Complex32>) -> Array2<Complex64> {
    let coils = data.len_of(Axis(0));
    let mut sum = Array2::zeros((coils, coils));
    for i in 0..coils {
        for j in 0..=i {
            let pairs = data.index_axis(Axis(0), i).into_iter().zip(data.index_axis(Axis(0), j));
            let value: Complex64 = pairs.map(|(&a, &b)| widen(a) * widen(b).conj()).sum();
            (sum[[i, j]], sum[[j, i]]) = (value, value.conj());
        }
    }
    sum
}

/// The weights of the coils in the virtual coil with the most energy, a vector of length one.
pub(super) fn principal_coil(data: &Array3<Complex32>) -> Array1<Complex64> {
    Eigen::all(coil_covariance(data)).vectors.index_axis_move(Axis(0), 0)
}

pub(super) fn widen(value: Complex32) -> Complex64 {
    Complex64::new(value.re.into(), value.im.into())
}

pub(super) fn narrow(value: Complex64) -> Complex32 {
    Complex32::new(value.re as f32, value.im as f32)
}

/// Turns the maps of every pixel so that the virtual coil with these `weights` sees it with phase 0.
pub(super) fn fix_phase(maps: &mut Array3<Complex32>, weights: &Array1<Complex64>) {
    for mut pixel in maps.lanes_mut(Axis(0)) {
        let seen: Complex64 = weights.iter().zip(&pixel).map(|(w, &map)| w.conj() * widen(map)).sum();
        if seen.norm() > 0.0 {
            let turn = narrow(seen.conj() / seen.norm());
            pixel.mapv_inplace(|map| map * turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(rows: usize, cols: usize) -> Array3<Complex32> {
        Array3::from_shape_fn((2, rows, cols), |(c, i, j)| Complex32::new((i * 100 + j) as f32, c as f32))
    }

    #[test]
    fn the_block_keeps_the_centre() {
        for (rows, cols) in [(20, 31), (21, 30)] {
            let columns: Vec<bool> =
                (0..cols).map(|j: usize| j.is_multiple_of(4) || j.abs_diff(cols / 2) <= 3).collect();
            let block = calibration_block(&numbered(rows, cols), &Mask::columns(rows, &columns), 12).unwrap();
            let (_, height, width) = block.dim();
            assert!(height == 12 && width >= 7, "{height}x{width}");
            assert_eq!(block[[1, height / 2, width / 2]].re, (rows / 2 * 100 + cols / 2) as f32);
        }
    }

    #[test]
    fn a_disc_gives_a_block_within_it() {
        let inside = |i: usize, j: usize| i.abs_diff(16).pow(2) + j.abs_diff(16).pow(2) <= 64;
        let mask = Mask::new((0..32 * 32).map(|n| inside(n / 32, n % 32)).collect());
        let block = calibration_block(&numbered(32, 32), &mask, 24).unwrap();
        // Half sides of 5 and 6: 25 + 36 ≤ 64.
        assert_eq!(block.dim().1 * block.dim().2, 11 * 13);
    }

    #[test]
    fn an_unsampled_centre_and_a_wrong_mask_are_refused() {
        assert!(calibration_block(&numbered(8, 8), &Mask::new(vec![false; 64]), 24).is_err());
        assert!(calibration_block(&numbered(8, 8), &Mask::full(63), 24).is_err());
        assert!(calibration_block(&Array3::zeros((0, 8, 8)), &Mask::full(64), 24).is_err());
    }
}
