//! The metal trace of a sinogram: where it is, and its filling by interpolation.

use crate::{LinearOperator, Mask, Radon};
use ndarray::{Array2, ArrayViewMut1};

/// Λ of metal artifact reduction: the rays that do not meet metal are kept.
///
/// A ray meets metal when its strip shares area with a pixel of `metal` (row, col); the trace is widened by
/// `margin` bins on either side, because partial-volume pixels around a metal are corrupted too.
///
/// # Panics
/// When `metal` does not have the shape of the image.
pub fn metal_trace(radon: &Radon, metal: &Array2<bool>, margin: usize) -> Mask {
    let shadow = radon.forward(&metal.mapv(|metal| if metal { 1.0 } else { 0.0 }));
    let spacing = radon.geometry().spacing;
    // Rounding leaves far less than this share of a pixel, and less area than this does no harm.
    let threshold = 1e-4 * spacing * spacing / radon.geometry().detector_spacing;
    let mut kept = vec![true; shadow.len()];
    for (projection, kept) in shadow.outer_iter().zip(kept.chunks_mut(shadow.ncols())) {
        for bin in (0..kept.len()).filter(|&bin| projection[bin] > threshold) {
            kept[bin.saturating_sub(margin)..=(bin + margin).min(projection.len() - 1)].fill(false);
        }
    }
    Mask::new(kept)
}

/// The sinogram with what is not kept interpolated linearly along the detector, angle by angle
/// (Kalender, Hebel and Ebersberger, Radiology 164, 1987).
///
/// A gap that reaches the end of the detector continues its only border; an angle of which nothing was kept
/// stays as it is.
///
/// # Panics
/// When the mask does not have one flag an entry of the sinogram.
pub fn interpolate_trace(sinogram: &Array2<f32>, kept: &Mask) -> Array2<f32> {
    assert_eq!(kept.kept().len(), sinogram.len(), "the mask does not have the shape of the sinogram");
    let mut filled = sinogram.clone();
    if sinogram.ncols() > 0 {
        for (row, kept) in filled.outer_iter_mut().zip(kept.kept().chunks(sinogram.ncols())) {
            fill_gaps(row, kept);
        }
    }
    filled
}

fn fill_gaps(mut row: ArrayViewMut1<f32>, kept: &[bool]) {
    let mut before = None;
    let mut bin = 0;
    while bin < kept.len() {
        if kept[bin] {
            before = Some(bin);
            bin += 1;
            continue;
        }
        let after = (bin..kept.len()).find(|&next| kept[next]);
        let end = after.unwrap_or(kept.len());
        for gap in bin..end {
            row[gap] = match (before, after) {
                (Some(a), Some(b)) => row[a] + (row[b] - row[a]) * (gap - a) as f32 / (b - a) as f32,
                (Some(only), None) | (None, Some(only)) => row[only],
                (None, None) => row[gap],
            };
        }
        bin = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Filter, ParallelBeam};
    use ndarray::array;

    #[test]
    fn the_trace_is_the_shadow_of_the_metal() {
        let radon = Radon::new(ParallelBeam::equally_spaced(9, 9, 0.5, 2), Filter::Ramp).unwrap();
        let mut metal = Array2::from_elem((9, 9), false);
        metal[[1, 6]] = true;
        let bins = radon.geometry().detectors;
        let lost = |margin: usize| -> Vec<usize> {
            let trace = metal_trace(&radon, &metal, margin);
            (0..2 * bins).filter(|&n| !trace.kept()[n]).collect()
        };
        assert_eq!(bins, 13);
        // x = 2, y = 3 pixels from the centre bin 6
        assert_eq!(lost(0), [8, bins + 9]);
        assert_eq!(lost(1), [7, 8, 9, bins + 8, bins + 9, bins + 10]);
        metal.fill(false);
        assert!(metal_trace(&radon, &metal, 3).is_full());
    }

    #[test]
    fn gaps_are_bridged_by_straight_lines() {
        let sinogram = array![[9.0, 1.0, 9.0, 9.0, 4.0, 9.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]];
        let mut kept = [false, true, false, false, true, false].to_vec();
        kept.extend([false; 6]);
        let filled = interpolate_trace(&sinogram, &Mask::new(kept));
        assert_eq!(filled, array![[1.0, 1.0, 2.0, 3.0, 4.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
    }
}
