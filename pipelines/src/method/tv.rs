//! Total variation: the classical way to make up for missing measurements.

use super::iterative::{from_direct, from_image};
use super::reconstruct::Quiet;
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

/// [`Tv`] from another method's image, for measurements with holes: `T⁻¹ Λ y` is then far off, and a fixed number
/// of iterations does not make up for it.
pub struct TvFrom<S> {
    /// As in [`Tv`].
    pub settings: TvSettings,
    /// Makes the image to start from.
    pub start: S,
}

impl<T: Transform<Image = Array2<f32>>, S: Reconstruct<T>> Reconstruct<T> for TvFrom<S> {
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let start = self.start.reconstruct(problem, seed, &Quiet(progress))?.image;
        from_image(start, self.settings.iterations, progress, |start, on_step| {
            fista_tv(problem, &problem.measured, start, &self.settings, on_step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{ct, mar};
    use crate::{Direct, LinearInterpolation, Silent};
    use recon_operators::{Filter, ParallelBeam, Radon};

    #[test]
    fn total_variation_beats_back_projection_from_few_views() {
        let image = Array2::from_shape_fn((40, 40), |(i, j)| {
            if (10..30).contains(&i) && (8..25).contains(&j) { 0.02 } else { 0.0 }
        });
        let radon = Radon::new(ParallelBeam::equally_spaced(40, 40, 1.0, 12), Filter::Ramp).expect("valid");
        let problem = ct::measure(&image, &radon).expect("fits");
        let tv = Tv { settings: TvSettings { weight: 0.001, iterations: 60, nonnegative: true } };
        let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
        let error = |method: &dyn Reconstruct<Radon>| {
            let found = method.reconstruct(&problem, seed, &Silent).expect("runs").image;
            (found - &image).mapv(|d| d * d).sum().sqrt()
        };
        let (tv, direct) = (error(&tv), error(&Direct));
        assert!(tv < 0.3 * direct, "{tv} against {direct}");
    }

    #[test]
    fn a_start_without_holes_is_nearer_after_few_iterations() {
        let image = Array2::from_shape_fn((40, 40), |(i, j)| {
            if (i as f32 - 20.0).hypot(j as f32 - 19.0) < 15.0 { 0.02 } else { 0.0 }
        });
        let metal = Array2::from_shape_fn((40, 40), |(i, j)| (16..20).contains(&i) && (20..24).contains(&j));
        let radon = Radon::new(ParallelBeam::equally_spaced(40, 40, 1.0, 60), Filter::Ramp).expect("valid");
        let problem = mar::measure(&image, &metal, &radon, 1).expect("fits");
        let settings = TvSettings { weight: 0.001, iterations: 5, nonnegative: true };
        let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
        let error = |method: &dyn Reconstruct<Radon>| {
            let found = method.reconstruct(&problem, seed, &Silent).expect("runs").image;
            (found - &image).mapv(|d| d * d).sum().sqrt()
        };
        let filled = error(&TvFrom { settings: settings.clone(), start: LinearInterpolation });
        let direct = error(&Tv { settings });
        assert!(filled < 0.5 * direct, "{filled} against {direct}");
    }
}
