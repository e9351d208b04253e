//! The family of parallel views that a conditional prior was trained for.

use super::Levels;
use recon_operators::{DataNoise, ParallelBeam, Problem, Radon};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Few parallel views over half a turn without noise, and what was measured in training about the errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParallelFamily {
    /// The least and the largest number of views.
    pub views: [usize; 2],
    /// The angles of the views.
    pub angles: ViewAngles,
    /// The width of a detector bin.
    pub bins: BinWidth,
    /// The noise of the data.
    pub noise: ViewNoise,
    /// The image that the first call gets, once it is fitted.
    pub start: TvStart,
    /// How an image is fitted to the data.
    pub fit: DataFit,
    /// `σₑ` for images of one side or several.
    pub levels: Vec<Levels>,
}

/// How the angles of views lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewAngles {
    /// `k π/n` for n views, in any order and up to half turns: mirror images have the same.
    HalfTurn,
}

/// How wide detector bins are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BinWidth {
    /// As a pixel; they cover the diagonal of the image.
    Pixel,
}

/// The noise of views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewNoise {
    /// There is none, or too little to be told.
    None,
}

/// The nonnegative image of little total variation: [`fista_tv`](recon_operators::solvers::fista_tv) from the filtered
/// back-projection.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TvStart {
    /// Weight of the total variation, without unit.
    pub weight: f64,
    /// Number of iterations.
    pub iterations: usize,
}

/// `argmin_z ‖z − x‖² + weight/‖A‖² ‖A z − y‖²` by conjugate gradients from x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFit {
    /// Weight of the data.
    pub weight: f64,
    /// Number of steps.
    pub iterations: usize,
}

/// More iterations than any start or fit takes.
const MAX_ITERATIONS: usize = 10_000;
/// How far an angle may lie from its place, as a share of the distance of two.
const ANGLE_SLACK: f64 = 0.02;
/// How far a bin may be wider or narrower than a pixel, as a share.
const WIDTH_SLACK: f64 = 1e-3;
/// All views of an image have the same sum. This is far above what rounding leaves of that, and of the size of what a
/// scanner does.
const LARGEST_MISFIT: f64 = 0.01;

impl ParallelFamily {
    /// What is wrong with its numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        let ([least, most], calls) = (self.views, self.calls());
        let positive = |name: &str, value: f64| {
            let fits = value.is_finite() && value > 0.0;
            (!fits).then(|| format!("family.{name} = {value} must be positive and finite"))
        };
        let iterations = |name: &str, count: usize| {
            (!(1..=MAX_ITERATIONS).contains(&count))
                .then(|| format!("family.{name} = {count} must lie in 1..={MAX_ITERATIONS}"))
        };
        if least == 0 || least > most {
            return Some(format!("family.views = [{least}, {most}] must be two positive numbers in order"));
        }
        if calls < 2 {
            return Some("family.levels must tell two calls or more apart".to_owned());
        }
        positive("start.weight", self.start.weight)
            .or_else(|| iterations("start.iterations", self.start.iterations))
            .or_else(|| positive("fit.weight", self.fit.weight))
            .or_else(|| iterations("fit.iterations", self.fit.iterations))
            .or_else(|| {
                self.levels
                    .iter()
                    .find_map(|levels| levels.problem(calls))
                    .map(|text| format!("family.{text}"))
            })
    }

    /// How many calls are told apart; all from the last of them on are alike.
    pub fn calls(&self) -> usize {
        self.levels.first().and_then(|levels| levels.sigma.first()).map_or(0, Vec::len)
    }

    /// `σₑ` of a call, counted from 0, for images of `shape` (rows, columns): that of the nearest side, which is the one
    /// of least `|ln|` of the ratio to `√(rows · columns)`.
    pub fn sigma(&self, (rows, cols): (usize, usize), views: usize, call: usize) -> f64 {
        let side = (rows as f64 * cols as f64).sqrt().max(1.0);
        let nearest = self.levels.iter().min_by(|a, b| a.distance(side).total_cmp(&b.distance(side)));
        nearest.map_or(0.0, |levels| levels.sigma(views, call))
    }

    /// The number of views of a problem of the family.
    ///
    /// # Errors
    /// Says in words why it is not one.
    pub fn count(&self, problem: &Problem<Radon>) -> Result<usize, String> {
        let geometry = problem.transform.geometry();
        let (views, [least, most]) = (geometry.angles.len(), self.views);
        if views < least || views > most {
            return Err(format!("{views} views are outside of the {least} to {most} of the prior"));
        }
        if !fill_half_turn(&geometry.angles) {
            return Err("the angles are not equally spaced from 0 over half a turn, as the prior knows them"
                .to_owned());
        }
        check_detector(geometry)?;
        if !problem.mask.is_full() {
            return Err("some rays are not measured, and the prior knows whole views".to_owned());
        }
        if problem.noise != DataNoise::None {
            return Err("the data have noise, and the prior knows none".to_owned());
        }
        let misfit = imbalance(problem);
        if misfit > LARGEST_MISFIT {
            return Err(format!(
                "no image explains the measurement (the sums of its views differ by {:.0} %)",
                100.0 * misfit
            ));
        }
        Ok(views)
    }
}

/// Whether angles are `k π/n`, each k once.
fn fill_half_turn(angles: &[f64]) -> bool {
    let count = angles.len();
    let mut found = vec![false; count];
    for angle in angles {
        let place = angle.rem_euclid(PI) * count as f64 / PI;
        let nearest = place.round();
        let is_new =
            found.get_mut(nearest as usize % count.max(1)).is_some_and(|seen| !std::mem::replace(seen, true));
        if !is_new || (place - nearest).abs() > ANGLE_SLACK {
            return false;
        }
    }
    true
}

/// Refuses a detector with bins of another width than pixels, and one that does not reach all of the image.
fn check_detector(geometry: &ParallelBeam) -> Result<(), String> {
    let ratio = f64::from(geometry.detector_spacing) / f64::from(geometry.spacing);
    if (ratio - 1.0).abs() > WIDTH_SLACK {
        return Err(format!(
            "detector bins are {ratio:.2} pixels wide, and the prior knows those of one pixel"
        ));
    }
    let diagonal = (geometry.rows as f64).hypot(geometry.cols as f64);
    let covered = geometry.detectors as f64 - 2.0 * geometry.axis_offset.abs();
    if covered < diagonal {
        return Err(format!(
            "the detector covers {covered:.0} pixels about its axis, and the image has a diagonal of {diagonal:.0}"
        ));
    }
    Ok(())
}

/// The largest difference of the sum of a view from their mean, as a share of the mean size of a view.
fn imbalance(problem: &Problem<Radon>) -> f64 {
    let views = problem.measured.rows();
    let sums: Vec<f64> =
        views.into_iter().map(|view| view.iter().map(|&value| f64::from(value)).sum()).collect();
    let count = sums.len().max(1) as f64;
    let mean = sums.iter().sum::<f64>() / count;
    let size = problem.measured.iter().map(|value| f64::from(value.abs())).sum::<f64>() / count;
    let largest = sums.iter().map(|sum| (sum - mean).abs()).fold(0.0, f64::max);
    if size > 0.0 { largest / size } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equally_spaced_angles_may_come_in_any_order_and_from_either_side() {
        let angles = |degrees: &[f64]| degrees.iter().map(|d| d.to_radians()).collect::<Vec<_>>();
        assert!(fill_half_turn(&ParallelBeam::equally_spaced(8, 8, 1.0, 23).angles));
        assert!(fill_half_turn(&angles(&[120.0, -1e-9, 240.0])));
        // Five views over a whole turn are five over half of it.
        assert!(fill_half_turn(&angles(&[0.0, 72.0, 144.0, 216.0, 288.0])));
        assert!(fill_half_turn(&angles(&[0.0, 60.5, 120.0])));
        assert!(!fill_half_turn(&angles(&[0.0, 62.0, 120.0])));
        assert!(!fill_half_turn(&angles(&[0.0, 60.0, 180.0])));
        assert!(!fill_half_turn(&angles(&[30.0, 90.0, 150.0])));
    }
}
