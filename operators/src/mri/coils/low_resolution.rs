//! Coil maps from low-resolution images.

use super::CoilMaps;
use super::calibration::{calibration_block, fix_phase, principal_coil};
use super::combine::root_sum_of_squares;
use super::sense::coil_images;
use crate::{Mask, OperatorError};
use ndarray::{Array3, Axis, Zip, s};
use num_complex::Complex32;
use std::f32::consts::PI;

/// Maps are zero where the images have less than this share of their largest value.
const DARK: f32 = 0.05;

/// The images of the fully sampled centre of k-space, each divided by the root of their sum of squares (McKenzie et al., Magn.
/// Reson. Med. 47, 2002).
///
/// The centre has at most `largest` rows and columns and is tapered by a Hann window. Where there is less than 5 % of the largest
/// value the maps are zero; the confidence is that share. Their phase is that of [`espirit`](super::espirit). K-space and maps
/// (coil, row, col); the mask has one flag a sample of one coil.
///
/// # Errors
/// As [`calibration_block`]; [`OperatorError::NotFinite`]; [`OperatorError::NoSignal`].
pub fn low_resolution_maps(
    kspace: &Array3<Complex32>,
    mask: &Mask,
    largest: usize,
) -> Result<CoilMaps, OperatorError> {
    let centre = calibration_block(kspace, mask, largest)?;
    if !centre.iter().all(|value| value.is_finite()) {
        return Err(OperatorError::NotFinite("centre of k-space"));
    }
    let (_, rows, cols) = kspace.dim();
    let (_, height, width) = centre.dim();
    let (top, left) = (rows / 2 - height / 2, cols / 2 - width / 2);
    let mut padded = Array3::zeros(kspace.raw_dim());
    padded.slice_mut(s![.., top..top + height, left..left + width]).assign(&centre);
    for ((_, i, j), value) in padded.indexed_iter_mut() {
        *value *= hann(i, rows, height) * hann(j, cols, width);
    }
    let mut maps = coil_images(&padded);
    let mut confidence = root_sum_of_squares(&maps);
    let brightest = confidence.iter().copied().fold(0.0, f32::max);
    if brightest <= 0.0 {
        return Err(OperatorError::NoSignal);
    }
    for mut map in maps.outer_iter_mut() {
        Zip::from(&mut map).and(&confidence).for_each(|map, &size| {
            *map = if size > DARK * brightest { *map / size } else { Complex32::default() };
        });
    }
    confidence.mapv_inplace(|size| size / brightest);
    debug_assert_eq!(maps.len_of(Axis(0)), centre.len_of(Axis(0)));
    fix_phase(&mut maps, &principal_coil(&centre));
    Ok(CoilMaps { maps, confidence })
}

/// A Hann window over `width` entries around the middle of `length`, zero one step outside of them.
fn hann(index: usize, length: usize, width: usize) -> f32 {
    let distance = index.abs_diff(length / 2) as f32 / (width / 2 + 1) as f32;
    if distance < 1.0 { 0.5 + 0.5 * (PI * distance).cos() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SamplingPlan;
    use crate::mri::coils::{birdcage, coil_kspace};
    use ndarray::Array2;

    #[test]
    fn smooth_maps_of_a_body_are_found_within_it() {
        let (rows, cols) = (72, 80);
        let inside = |i: usize, j: usize| {
            let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
            (y / 0.4).hypot(x / 0.4)
        };
        let body = Array2::from_shape_fn((rows, cols), |(i, j)| {
            Complex32::from(f32::from(u8::from(inside(i, j) < 1.0)))
        });
        let maps = birdcage(8, rows, cols);
        let mask = SamplingPlan::equispaced(4.0).mask(rows, cols).unwrap();
        let mask = Mask::new(
            mask.kept().iter().enumerate().map(|(n, &kept)| kept || (n % cols).abs_diff(40) < 9).collect(),
        );
        let kspace = mask.over_coils(8).select(coil_kspace(&(&maps * &body)));
        let found = low_resolution_maps(&kspace, &mask, 24).unwrap();
        for (i, j) in ndarray::indices((rows, cols)).into_iter().filter(|&(i, j)| inside(i, j) < 0.7) {
            let pair = found.maps.slice(s![.., i, j]).into_iter().zip(maps.slice(s![.., i, j]));
            let cosine: Complex32 = pair.map(|(a, b)| a.conj() * b).sum();
            assert!(cosine.norm() > 0.99, "{i} {j}: {cosine}");
        }
        assert!(found.maps.slice(s![.., 0, 0]).iter().all(|value| value.norm() == 0.0));
    }

    #[test]
    fn nothing_gives_no_maps() {
        let found = low_resolution_maps(&Array3::zeros((2, 8, 8)), &Mask::full(64), 24);
        assert_eq!(found, Err(OperatorError::NoSignal));
    }
}
