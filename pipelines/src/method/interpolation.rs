//! Linear interpolation of the metal trace, the oldest correction of metal artifacts.

use crate::{Estimate, Progress, Reconstruct, SliceSeed};
use anyhow::Result;
use ndarray::Array2;
use recon_operators::{Problem, Radon, Transform, interpolate_trace};

/// Fills the unmeasured rays of every view linearly from their neighbours and back-projects
/// (Kalender et al., Radiology 164, 1987).
pub struct LinearInterpolation;

impl Reconstruct<Radon> for LinearInterpolation {
    fn reconstruct(
        &self,
        problem: &Problem<Radon>,
        _seed: SliceSeed,
        _progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let filled = interpolate_trace(&problem.measured, &problem.mask);
        Ok(Estimate::classical(problem.transform.inverse(&filled)))
    }
}
