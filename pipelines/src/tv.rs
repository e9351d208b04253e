//! Total variation: the classical way to make up for missing measurements.

use crate::{Estimate, Progress, Reconstruct, SliceSeed, cancelled};
use anyhow::Result;
use ndarray::Array2;
use recon_operators::solvers::{TvSettings, fista_tv};
use recon_operators::{Problem, Transform};

/// `argmin ½‖Λ(T x − y)‖² + w·TV(x)` by FISTA (Beck and Teboulle 2009), started from `T⁻¹ Λ y`.
///
/// The weight is unitless: [`fista_tv`] scales it by the operator norm and the intensity of the start
/// image, so that one number serves every view count, spacing and scanner.
pub struct Tv {
    /// Weight, number of iterations and whether the image must not be negative (attenuation).
    pub settings: TvSettings,
}

impl<T: Transform<Image = Array2<f32>>> Reconstruct<T> for Tv {
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        _seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let start = problem.transform.inverse(&problem.measured);
        let steps = self.settings.iterations;
        let mut on_step = |done: usize| progress.step(done, steps);
        let image = fista_tv(problem, &problem.measured, start, &self.settings, &mut on_step);
        if progress.cancelled() { Err(cancelled()) } else { Ok(Estimate::classical(image)) }
    }
}
