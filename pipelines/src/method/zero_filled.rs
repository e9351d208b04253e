//! The zero-filled image, the baseline of undersampled MRI.

use crate::{Estimate, Progress, Reconstruct, SliceSeed};
use anyhow::Result;
use ndarray::{Array2, Axis};
use num_complex::Complex32;
use recon_operators::{Fourier, LinearOperator, PhasedFourier, PhasedSense, Problem, Transform, coil_images};

/// `|F⁻¹ Λ y|`: zeros where nothing was measured, and the magnitude that a scanner would show.
///
/// The magnitude is taken without the phase model of [`PhasedFourier`], as fastMRI's zero-filled
/// baseline does: undersampling makes the image complex even where the object is real.
pub struct ZeroFilled;

impl Reconstruct<PhasedFourier> for ZeroFilled {
    fn reconstruct(
        &self,
        problem: &Problem<PhasedFourier>,
        _seed: SliceSeed,
        _progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let shape = problem.image_shape();
        let image = Fourier::new(shape[0], shape[1]).inverse(&problem.measured);
        Ok(Estimate::classical(image.mapv(Complex32::norm)))
    }
}

/// The root of the sum of squares over coils, zeros where nothing was measured: what a scanner shows without any calibration.
impl Reconstruct<PhasedSense> for ZeroFilled {
    fn reconstruct(
        &self,
        problem: &Problem<PhasedSense>,
        _seed: SliceSeed,
        _progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let images = coil_images(&problem.measured);
        let energy = images.map_axis(Axis(0), |coils| coils.iter().map(Complex32::norm_sqr).sum::<f32>());
        Ok(Estimate::classical(energy.mapv_into(f32::sqrt)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;
    use recon_operators::Mask;

    #[test]
    fn full_sampling_gives_the_magnitude_back() {
        let image = Array2::from_shape_fn((5, 6), |(i, j)| i as f32 - j as f32);
        let problem = crate::task::mri::measure(&image, &Mask::full(30)).expect("fits");
        let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
        let found = ZeroFilled.reconstruct(&problem, seed, &Silent).expect("runs").image;
        assert!((&found - &image.mapv(f32::abs)).iter().all(|d| d.abs() < 1e-5));
    }
}
