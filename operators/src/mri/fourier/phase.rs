//! An estimate of the image phase from the centre of k-space.

use super::Fourier;
use crate::{LinearOperator, Mask};
use ndarray::Array2;
use num_complex::Complex32;
use std::ops::Range;

/// Below this part of the largest modulus a voxel has no phase worth the name.
const NO_SIGNAL: f32 = 1e-6;

/// `e^{iφ}` of the image that the fully sampled centre of k-space gives on its own.
///
/// The centre is the largest rectangle around index (rows/2, cols/2), symmetric in both axes, in which
/// everything was measured; it is tapered by a Hann window so that the phase does not ring (the low-resolution
/// phase of Noll, Nishimura and Macovski, IEEE Trans. Med. Imaging 10, 1991). The result has modulus one; it
/// is 1 where there is no signal, and everywhere when not even the centre was measured.
///
/// # Panics
/// When the mask does not have one flag an entry of `kspace`.
pub fn low_resolution_phase(kspace: &Array2<Complex32>, mask: &Mask) -> Array2<Complex32> {
    let (rows, cols) = kspace.dim();
    assert_eq!(mask.kept().len(), rows * cols, "the mask does not have the shape of the k-space");
    let one = Complex32::new(1.0, 0.0);
    let Some((half_rows, half_cols)) = sampled_centre(mask.kept(), rows, cols) else {
        return Array2::from_elem((rows, cols), one);
    };
    let tapered = Array2::from_shape_fn((rows, cols), |(i, j)| {
        kspace[[i, j]] * hann(i, rows / 2, half_rows) * hann(j, cols / 2, half_cols)
    });
    let image = Fourier::new(rows, cols).adjoint(&tapered);
    let largest = image.iter().map(|value| value.norm()).fold(0.0, f32::max);
    image.mapv(|value| {
        let modulus = value.norm();
        if modulus > NO_SIGNAL * largest { value / modulus } else { one }
    })
}

/// Half sides (excluding the centre itself) of the largest measured rectangle.
fn sampled_centre(kept: &[bool], rows: usize, cols: usize) -> Option<(usize, usize)> {
    let around = |centre: usize, half: usize| centre - half..centre + half + 1;
    let measured = |rows: Range<usize>, columns: Range<usize>| {
        rows.into_iter()
            .all(|i| kept[i * cols + columns.start..i * cols + columns.end].iter().all(|&kept| kept))
    };
    // Symmetric, so on even axes the first line, which has no counterpart, is left out.
    let widest = |length: usize| length.saturating_sub(1) / 2;
    let mut best = None;
    let mut half_cols = widest(cols);
    for half_rows in 0..=widest(rows) {
        // More rows never allow more columns, so the width only shrinks on the way.
        while !measured(around(rows / 2, half_rows), around(cols / 2, half_cols)) {
            if half_cols == 0 {
                return best.map(|(_, centre)| centre);
            }
            half_cols -= 1;
        }
        let area = (2 * half_rows + 1) * (2 * half_cols + 1);
        if best.is_none_or(|(largest, _)| area > largest) {
            best = Some((area, (half_rows, half_cols)));
        }
    }
    best.map(|(_, centre)| centre)
}

/// A Hann window that falls to zero one step outside of `centre ± half`.
fn hann(index: usize, centre: usize, half: usize) -> f32 {
    let distance = index.abs_diff(centre) as f32 / (half + 1) as f32;
    if distance < 1.0 { 0.5 + 0.5 * (std::f32::consts::PI * distance).cos() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth bump with a slowly turning phase.
    fn object(rows: usize, cols: usize) -> Array2<Complex32> {
        Array2::from_shape_fn((rows, cols), |(i, j)| {
            let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
            Complex32::cis(1.0 + 2.0 * x - 1.5 * y) * (-12.0 * (x * x + y * y)).exp()
        })
    }

    #[test]
    fn the_centre_lines_give_a_smooth_phase() {
        let image = object(48, 63);
        let columns: Vec<bool> = (0..63).map(|j| j % 8 == 0 || (24..40).contains(&j)).collect();
        let mask = Mask::columns(48, &columns);
        let kspace = mask.select(Fourier::new(48, 63).forward(&image));
        let phase = low_resolution_phase(&kspace, &mask);
        for (value, phase) in image.iter().zip(&phase) {
            assert!((phase.norm() - 1.0).abs() < 1e-5);
            if value.norm() > 0.2 {
                assert!((value / value.norm() - phase).norm() < 0.1);
            }
        }
    }

    #[test]
    fn the_sampled_rectangle_is_the_largest() {
        let columns = Mask::columns(6, &[true, false, true, true, true, false, true]);
        assert_eq!(sampled_centre(columns.kept(), 6, 7), Some((2, 1)));
        let rows = Mask::rows(&[false, true, true, true, false], 9);
        assert_eq!(sampled_centre(rows.kept(), 5, 9), Some((1, 4)));
        assert_eq!(sampled_centre(&[false; 4], 2, 2), None);
        assert_eq!(sampled_centre(&[true], 1, 1), Some((0, 0)));
    }

    #[test]
    fn no_signal_means_no_phase() {
        let phase = low_resolution_phase(&Array2::zeros((4, 4)), &Mask::full(16));
        assert!(phase.iter().all(|&value| value == Complex32::new(1.0, 0.0)));
        let unmeasured = low_resolution_phase(&object(4, 4), &Mask::new(vec![false; 16]));
        assert!(unmeasured.iter().all(|&value| value == Complex32::new(1.0, 0.0)));
    }
}
