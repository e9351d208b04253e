//! k-space as people have it.

use ndarray::{Array2, Array3, ArrayView2, Axis};
use num_complex::Complex32;
use recon_operators::Mask;

/// Part of an axis by which the strongest sample may be away from the middle.
const FAR: f64 = 0.25;
/// Slices of one sampling have this part of all samples at least that are not zero in some slice.
const ALIKE: f64 = 0.98;

/// What k-space (slice, row, col) looks like that makes no sense as measured, where `mask` says what was measured.
pub(in crate::task) fn warnings(kspace: &Array3<Complex32>, mask: &Mask, told_mask: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let (_, rows, cols) = kspace.dim();
    let sum = energy(kspace);
    if let Some([row, col]) = strongest(&sum).filter(|&at| is_far(at, [rows, cols])) {
        warnings.push(format!(
            "the strongest sample lies at [{row}, {col}] and not in the middle, [{}, {}]; centre the k-space (fftshift)",
            rows / 2,
            cols / 2
        ));
    }
    if kspace.iter().all(|value| value.im == 0.0) {
        warnings.push("all samples are real numbers, as magnitudes are; give complex k-space".to_owned());
    }
    if told_mask {
        warnings.extend(mask_warnings(&sum.view(), mask));
    }
    if !kept_near_the_middle(mask, rows, cols) {
        warnings
            .push("the centre of k-space was not sampled; phase and brightness cannot be known".to_owned());
    }
    warnings
}

/// The energy of every sample, over all slices.
fn energy(kspace: &Array3<Complex32>) -> Array2<f64> {
    kspace.map_axis(Axis(0), |samples| samples.iter().map(|value| f64::from(value.norm_sqr())).sum())
}

/// The place of the sample with the largest energy; none where all are zero.
fn strongest(energy: &Array2<f64>) -> Option<[usize; 2]> {
    let best = energy.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1))?;
    (*best.1 > 0.0).then_some([best.0.0, best.0.1])
}

fn is_far(at: [usize; 2], shape: [usize; 2]) -> bool {
    at.iter().zip(shape).any(|(&at, length)| at.abs_diff(length / 2) as f64 > FAR * length as f64)
}

/// A mask against what is not zero.
fn mask_warnings(energy: &ArrayView2<'_, f64>, mask: &Mask) -> Vec<String> {
    let (mut empty, mut hidden) = (0, 0);
    for (&energy, &kept) in energy.iter().zip(mask.kept()) {
        empty += usize::from(kept && energy == 0.0);
        hidden += usize::from(!kept && energy > 0.0);
    }
    let mut warnings = Vec::new();
    if empty * 50 > mask.count() {
        warnings.push(format!(
            "{empty} of {} samples that the mask keeps are zero in all slices; check that the mask is not inverted",
            mask.count()
        ));
    } else if hidden > 0 && empty > 0 {
        warnings.push(format!("{hidden} samples hold data that the mask leaves out; check the mask"));
    }
    warnings
}

/// Whether something was kept within a sixteenth of the axes around the middle.
fn kept_near_the_middle(mask: &Mask, rows: usize, cols: usize) -> bool {
    let near = |at: usize, length: usize| at.abs_diff(length / 2) <= length / 16;
    mask.kept().iter().enumerate().any(|(n, &kept)| kept && near(n / cols, rows) && near(n % cols, cols))
}

/// Which samples of each slice are not zero, where slices were not sampled alike; a slice of zeros has those of all.
pub(in crate::task) fn sampled_each(kspace: &Array3<Complex32>, all: &Mask) -> Option<Vec<Mask>> {
    let of = |slice: ArrayView2<'_, Complex32>| -> Vec<bool> {
        slice.iter().map(|value| value.norm_sqr() > 0.0).collect()
    };
    let flags: Vec<Vec<bool>> = kspace.axis_iter(Axis(0)).map(of).collect();
    let count = |flags: &Vec<bool>| flags.iter().filter(|&&kept| kept).count();
    let alike = |flags: &Vec<bool>| count(flags) == 0 || count(flags) as f64 >= ALIKE * all.count() as f64;
    if flags.iter().all(alike) {
        return None;
    }
    let mask = |flags: Vec<bool>| if count(&flags) == 0 { all.clone() } else { Mask::new(flags) };
    Some(flags.into_iter().map(mask).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::mri::{sampled, simulate};

    fn kspace(mask: &Mask) -> Array3<Complex32> {
        let image = Array3::from_shape_fn((2, 32, 24), |(k, i, j)| {
            let (y, x) = (i as f32 / 32.0 - 0.45, j as f32 / 24.0 - 0.55);
            Complex32::cis(x - y) * (1.0 + k as f32) * (-9.0 * (x * x + y * y)).exp()
        });
        simulate(&image, mask)
    }

    fn columns(every: usize) -> Mask {
        let kept: Vec<bool> = (0..24).map(|j| j % every == 0 || (9..15).contains(&j)).collect();
        Mask::columns(32, &kept)
    }

    #[test]
    fn good_data_bring_no_warning() {
        for mask in [Mask::full(32 * 24), columns(3)] {
            let data = kspace(&mask);
            assert_eq!(warnings(&data, &mask, true), Vec::<String>::new());
            assert_eq!(sampled_each(&data, &sampled(&data)), None);
        }
    }

    #[test]
    fn what_is_odd_is_named() {
        let full = Mask::full(32 * 24);
        let data = kspace(&full);
        let found = |data: &Array3<Complex32>, mask: &Mask, told| warnings(data, mask, told).join(" ");
        let corner = Array3::from_shape_fn(data.dim(), |(k, i, j)| data[[k, (i + 16) % 32, (j + 12) % 24]]);
        assert!(found(&corner, &full, false).contains("fftshift"));
        let magnitudes = data.mapv(|value| Complex32::new(value.norm(), 0.0));
        assert!(found(&magnitudes, &full, false).contains("real numbers"));
        let half = Mask::columns(32, &(0..24).map(|j| j >= 12).collect::<Vec<_>>());
        let inverted = Mask::columns(32, &(0..24).map(|j| j < 14).collect::<Vec<_>>());
        assert!(found(&kspace(&half), &inverted, true).contains("inverted"));
        let outer = Mask::columns(32, &(0..24_usize).map(|j| j.abs_diff(12) > 5).collect::<Vec<_>>());
        assert!(found(&kspace(&outer), &outer, true).contains("not sampled"));
    }

    #[test]
    fn slices_that_were_sampled_differently_get_masks_of_their_own() {
        let mut data = kspace(&columns(3));
        data.index_axis_mut(Axis(0), 1).assign(&kspace(&columns(4)).index_axis(Axis(0), 1));
        let masks = sampled_each(&data, &sampled(&data)).expect("different");
        assert_eq!((masks[0].clone(), masks[1].clone()), (columns(3), columns(4)));
    }
}
