//! An estimate of the image phase from the centre of k-space.

use super::Fourier;
use crate::{LinearOperator, Mask, Rank, quantile};
use ndarray::Array2;
use num_complex::Complex32;
use std::ops::Range;

/// Below this part of the largest modulus a voxel has no phase worth the name.
const NO_SIGNAL: f32 = 1e-6;

/// The fully sampled part of k-space around its strongest sample, symmetric in both axes.
struct Centre {
    at: [usize; 2],
    /// Half sides, excluding the centre itself.
    half: [usize; 2],
}

impl Centre {
    fn of(kspace: &Array2<Complex32>, mask: &Mask) -> Option<Self> {
        let (rows, cols) = kspace.dim();
        assert_eq!(mask.kept().len(), rows * cols, "the mask does not have the shape of the k-space");
        let at = centre_of_energy(kspace, mask);
        let half = sampled_around(mask.kept(), (rows, cols), at)?;
        Some(Self { at, half })
    }

    /// The energy that noise has in all of it, if the outer half of it along its longer axis holds nothing else: by the median,
    /// as `|k|²` of noise alone has its median at ln 2 times its mean.
    fn noise_energy(&self, kspace: &Array2<Complex32>) -> f64 {
        let [rows, cols] = self.half;
        let is_outer = |i: usize, j: usize| {
            let (di, dj) = (i.abs_diff(self.at[0]), j.abs_diff(self.at[1]));
            di <= rows && dj <= cols && if rows >= cols { 4 * di > 3 * rows } else { 4 * dj > 3 * cols }
        };
        let outer = kspace.indexed_iter().filter(|((i, j), _)| is_outer(*i, *j));
        let mut energies: Vec<f32> = outer.map(|(_, value)| value.norm_sqr()).collect();
        let median = quantile(&mut energies, 0.5, Rank::Linear).unwrap_or(0.0);
        let count = (2 * rows + 1) * (2 * cols + 1);
        count as f64 * f64::from(median) / std::f64::consts::LN_2
    }

    /// The image that it gives, each sample with this weight of its distances.
    fn image(
        &self,
        kspace: &Array2<Complex32>,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Array2<Complex32> {
        let [centre_row, centre_col] = self.at;
        let weighted = Array2::from_shape_fn(kspace.dim(), |(i, j)| {
            kspace[[i, j]] * weight(i, centre_row, self.half[0]) * weight(j, centre_col, self.half[1])
        });
        Fourier::new(kspace.nrows(), kspace.ncols()).adjoint(&weighted)
    }
}

/// `e^{iφ}` of the image that the fully sampled centre of k-space gives on its own.
///
/// The centre is the largest rectangle around the centre of energy, symmetric in both axes, in which everything was
/// measured: an echo that comes early or late moves the energy away from index n/2, which is a phase that turns across the
/// image. It is tapered by a Hann window so that the phase does not ring (the low-resolution phase of Noll, Nishimura and
/// Macovski, IEEE Trans. Med. Imaging 10, 1991). The result has modulus one; it is 1 where there is no signal, and
/// everywhere when nothing was measured.
///
/// # Panics
/// When the mask does not have one flag an entry of `kspace`.
pub fn low_resolution_phase(kspace: &Array2<Complex32>, mask: &Mask) -> Array2<Complex32> {
    let one = Complex32::new(1.0, 0.0);
    let Some(centre) = Centre::of(kspace, mask) else { return Array2::from_elem(kspace.dim(), one) };
    phase_of(&centre.image(kspace, hann))
}

/// `e^{iφ}` of a complex image; 1 where it has no signal.
pub fn phase_of(image: &Array2<Complex32>) -> Array2<Complex32> {
    let largest = image.iter().map(|value| value.norm()).fold(0.0, f32::max);
    image.mapv(|value| {
        let modulus = value.norm();
        if modulus > NO_SIGNAL * largest { value / modulus } else { Complex32::new(1.0, 0.0) }
    })
}

/// `‖Im(e^{−iφ} c)‖/‖c‖` of the image `c` of the sampled centre without a window and [`low_resolution_phase`] φ: what a real
/// image beside this phase cannot be, without what is noise. 0 when nothing was measured.
///
/// White noise of variance σ² in both parts of n samples has the energy 2nσ², half of which lies across any phase. It is
/// estimated by the weakest samples of the centre, those that lie farthest from its middle.
///
/// # Panics
/// As [`low_resolution_phase`].
pub fn phase_misfit(kspace: &Array2<Complex32>, mask: &Mask) -> f64 {
    let Some(centre) = Centre::of(kspace, mask) else { return 0.0 };
    let inside =
        |index: usize, centre: usize, half: usize| f32::from(u8::from(index.abs_diff(centre) <= half));
    let image = centre.image(kspace, inside);
    let phase = low_resolution_phase(kspace, mask);
    let (mut imaginary, mut all) = (0.0, 0.0);
    for (value, phase) in image.iter().zip(&phase) {
        imaginary += f64::from((value * phase.conj()).im).powi(2);
        all += f64::from(value.norm_sqr());
    }
    let noise = centre.noise_energy(kspace);
    let (imaginary, all) = ((imaginary - noise / 2.0).max(0.0), all - noise);
    if all > 0.0 { (imaginary / all).sqrt() } else { 0.0 }
}

/// Samples weaker than this part of the strongest, in energy, do not say where the energy is.
const WEAK: f32 = 0.05;

/// The centre of mass of the energy of the strong samples; the middle where there is none. Not the strongest sample: an image
/// whose halves have opposite phases has two of them, on either side of its middle.
fn centre_of_energy(kspace: &Array2<Complex32>, mask: &Mask) -> [usize; 2] {
    let (rows, cols) = kspace.dim();
    let energies =
        || kspace.iter().zip(mask.kept()).map(|(value, &kept)| if kept { value.norm_sqr() } else { 0.0 });
    let least = WEAK * energies().fold(0.0, f32::max);
    let (mut mass, mut moment) = (0.0, [0.0; 2]);
    for (n, energy) in energies().enumerate().filter(|&(_, energy)| energy > 0.0 && energy >= least) {
        mass += f64::from(energy);
        moment[0] += f64::from(energy) * (n / cols) as f64;
        moment[1] += f64::from(energy) * (n % cols) as f64;
    }
    if mass == 0.0 {
        return [rows / 2, cols / 2];
    }
    moment.map(|moment| (moment / mass).round() as usize)
}

/// Half sides (excluding the centre itself) of the largest measured rectangle around a sample.
fn sampled_around(kept: &[bool], (rows, cols): (usize, usize), at: [usize; 2]) -> Option<[usize; 2]> {
    let around = |centre: usize, half: usize| centre - half..centre + half + 1;
    let measured = |rows: Range<usize>, columns: Range<usize>| {
        rows.into_iter()
            .all(|i| kept[i * cols + columns.start..i * cols + columns.end].iter().all(|&kept| kept))
    };
    // Symmetric, so what has no counterpart on the other side is left out.
    let widest = |centre: usize, length: usize| centre.min(length.saturating_sub(1).saturating_sub(centre));
    let mut best = None;
    let mut half_cols = widest(at[1], cols);
    for half_rows in 0..=widest(at[0], rows) {
        // More rows never allow more columns, so the width only shrinks on the way.
        while !measured(around(at[0], half_rows), around(at[1], half_cols)) {
            if half_cols == 0 {
                return best.map(|(_, half)| half);
            }
            half_cols -= 1;
        }
        let area = (2 * half_rows + 1) * (2 * half_cols + 1);
        if best.is_none_or(|(largest, _)| area > largest) {
            best = Some((area, [half_rows, half_cols]));
        }
    }
    best.map(|(_, half)| half)
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

    /// Noise of this standard deviation in both parts, from a small generator of its own.
    fn noisy(kspace: &Array2<Complex32>, std: f32) -> Array2<Complex32> {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 + 0.5) / (1u64 << 24) as f32
        };
        kspace.mapv(|value| {
            value
                + Complex32::from_polar(
                    std * (-2.0 * uniform().ln()).sqrt(),
                    std::f32::consts::TAU * uniform(),
                )
        })
    }

    #[test]
    fn noise_is_no_fast_phase_and_does_not_hide_one() {
        let (rows, cols) = (96, 96);
        let columns: Vec<bool> = (0..cols).map(|j| j % 4 == 0 || (44..52).contains(&j)).collect();
        let mask = Mask::columns(rows, &columns);
        let misfit = |image: &Array2<Complex32>, std: f32| {
            phase_misfit(&mask.select(noisy(&Fourier::new(rows, cols).forward(image), std)), &mask)
        };
        let smooth = object(rows, cols);
        // The left half has the phase of the right half turned by a quarter.
        let mut jump = smooth.clone();
        jump.indexed_iter_mut()
            .filter(|((_, j), _)| *j < cols / 2)
            .for_each(|(_, value)| *value *= Complex32::i());
        for std in [0.0, 0.005, 0.02, 0.05] {
            assert!(misfit(&smooth, std) < 0.05, "{std}: {}", misfit(&smooth, std));
            assert!(misfit(&jump, std) > 0.1, "{std}: {}", misfit(&jump, std));
        }
    }

    #[test]
    fn the_sampled_rectangle_is_the_largest() {
        let columns = Mask::columns(6, &[true, false, true, true, true, false, true]);
        assert_eq!(sampled_around(columns.kept(), (6, 7), [3, 3]), Some([2, 1]));
        let rows = Mask::rows(&[false, true, true, true, false], 9);
        assert_eq!(sampled_around(rows.kept(), (5, 9), [2, 4]), Some([1, 4]));
        assert_eq!(sampled_around(&[false; 4], (2, 2), [1, 1]), None);
        assert_eq!(sampled_around(&[true], (1, 1), [0, 0]), Some([0, 0]));
    }

    #[test]
    fn no_signal_means_no_phase() {
        let phase = low_resolution_phase(&Array2::zeros((4, 4)), &Mask::full(16));
        assert!(phase.iter().all(|&value| value == Complex32::new(1.0, 0.0)));
        let unmeasured = low_resolution_phase(&object(4, 4), &Mask::new(vec![false; 16]));
        assert!(unmeasured.iter().all(|&value| value == Complex32::new(1.0, 0.0)));
    }
}
