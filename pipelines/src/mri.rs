//! MRI cases: from an image, with the measurement simulated, or from measured k-space.

use crate::ct::positions;
use crate::{Case, Slice};
use anyhow::{Result, ensure};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use recon_data::Volume;
use recon_operators::{Fourier, LinearOperator, Mask, PhasedFourier, Problem, low_resolution_phase};

/// The k-space of one image, `y = Λ F x`, with a real `x` (no phase).
pub fn measure(image: &Array2<f32>, mask: &Mask) -> Problem<PhasedFourier> {
    let transform = PhasedFourier::new(image.nrows(), image.ncols(), None);
    let measured = mask.select(transform.forward(image));
    Problem::new(transform, mask.clone(), measured)
}

/// A retrospective case: k-space is simulated from the real images of `volume`.
pub fn from_image<'a>(volume: &'a Volume, mask: &'a Mask, seed: u64, number: u64) -> Case<'a, PhasedFourier> {
    let slice = Box::new(|k: usize| {
        let image = volume.voxels.index_axis(Axis(0), k).to_owned();
        Ok(Slice::Measured(measure(&image, mask)))
    });
    Case { positions_um: positions(volume), slice, seed, number, null_space: false }
}

/// A case from measured single-channel k-space (slice, row, col), centred and orthonormal.
///
/// The image's phase is estimated from the sampled centre of each slice, so that the unknown is real.
///
/// # Errors
/// When the mask does not have the shape of a slice.
pub fn from_kspace<'a>(
    kspace: &'a Array3<Complex32>,
    mask: &'a Mask,
    seed: u64,
    number: u64,
) -> Result<Case<'a, PhasedFourier>> {
    let (slices, rows, cols) = kspace.dim();
    ensure!(mask.kept().len() == rows * cols, "the mask does not have the shape of k-space, {rows}x{cols}");
    let slice = Box::new(move |k: usize| {
        let measured = mask.select(kspace.index_axis(Axis(0), k).to_owned());
        let phase = low_resolution_phase(&measured, mask);
        let transform = PhasedFourier::new(rows, cols, Some(phase));
        Ok(Slice::Measured(Problem::new(transform, mask.clone(), measured)))
    });
    Ok(Case {
        positions_um: (0..slices).map(|k| k as i64 * 1000).collect(),
        slice,
        seed,
        number,
        null_space: false,
    })
}

/// Which samples of k-space are not zero in some slice: what was measured, when nobody says.
pub fn sampled(kspace: &Array3<Complex32>) -> Mask {
    let (_, rows, cols) = kspace.dim();
    let mut kept = vec![false; rows * cols];
    for slice in kspace.outer_iter() {
        for (kept, value) in kept.iter_mut().zip(slice.iter()) {
            *kept |= value.norm_sqr() > 0.0;
        }
    }
    Mask::new(kept)
}

/// Undersampled k-space (slice, row, col) of complex images, zeros where the mask keeps nothing.
pub fn simulate(images: &Array3<Complex32>, mask: &Mask) -> Array3<Complex32> {
    let (_, rows, cols) = images.dim();
    let fourier = Fourier::new(rows, cols);
    let mut kspace = Array3::zeros(images.raw_dim());
    for (image, mut slice) in images.outer_iter().zip(kspace.outer_iter_mut()) {
        slice.assign(&mask.select(fourier.forward(&image.to_owned())));
    }
    kspace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_and_simulated_cases_are_the_same_problem() {
        // Irregular, so that no sample of its k-space is zero by symmetry.
        let image = Array2::from_shape_fn((8, 6), |(i, j)| {
            (1.7 * i as f32 + 0.9 * (j * j) as f32).sin() + 0.1 * (i * j) as f32
        });
        let mask = Mask::columns(8, &[true, false, true, true, false, true]);
        let complex = image.mapv(|v| Complex32::new(v, 0.0)).insert_axis(Axis(0));
        let kspace = simulate(&complex, &mask);
        let problem = measure(&image, &mask);
        let distance = (&kspace.index_axis(Axis(0), 0) - &problem.measured).mapv(Complex32::norm).sum();
        assert!(distance < 1e-4, "{distance}");
        assert_eq!(sampled(&kspace).count(), mask.count());
    }

    #[test]
    fn a_mask_of_another_shape_is_refused() {
        let kspace = Array3::<Complex32>::zeros((1, 4, 4));
        assert!(from_kspace(&kspace, &Mask::full(12), 0, 0).is_err());
    }
}
