//! Total variation: the classical way to make up for missing measurements.

use crate::iterative::from_direct;
use crate::{Estimate, Progress, Reconstruct, SliceSeed};
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
        from_direct(problem, self.settings.iterations, progress, |start, on_step| {
            fista_tv(problem, &problem.measured, start, &self.settings, on_step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direct, Silent, ct};
    use recon_operators::{Filter, ParallelBeam, Radon};

    #[test]
    fn total_variation_beats_back_projection_from_few_views() {
        let image = Array2::from_shape_fn((40, 40), |(i, j)| {
            if (10..30).contains(&i) && (8..25).contains(&j) { 0.02 } else { 0.0 }
        });
        let radon = Radon::new(ParallelBeam::equally_spaced(40, 40, 1.0, 12), Filter::Ramp).expect("valid");
        let problem = ct::measure(&image, &radon);
        let tv = Tv { settings: TvSettings { weight: 0.001, iterations: 60, nonnegative: true } };
        let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
        let error = |method: &dyn Reconstruct<Radon>| {
            let found = method.reconstruct(&problem, seed, &Silent).expect("runs").image;
            (found - &image).mapv(|d| d * d).sum().sqrt()
        };
        let (tv, direct) = (error(&tv), error(&Direct));
        assert!(tv < 0.3 * direct, "{tv} against {direct}");
    }
}
