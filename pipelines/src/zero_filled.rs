//! The zero-filled image, the baseline of undersampled MRI.

use crate::{Estimate, Progress, Reconstruct, SliceSeed};
use anyhow::Result;
use ndarray::Array2;
use num_complex::Complex32;
use recon_operators::{Fourier, LinearOperator, PhasedFourier, Problem, Transform};

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
