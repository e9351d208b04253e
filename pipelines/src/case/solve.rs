//! One slice: measured, reconstructed, and put into the form in which it is written.

use super::Method;
use crate::{Cancelled, Estimate, ImageOf, Map, Progress, Quiet, Slice, SliceSeed, Study, Typicality};
use anyhow::Result;
use ndarray::Array2;
use recon_operators::solvers::null_space_part;
use recon_operators::{Field, Problem, Transform};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::Instant;

/// What one slice took, for the sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceRecord {
    /// Number of score-network calls.
    pub network_calls: usize,
    /// Wall time of the method, seconds.
    pub seconds: f64,
    /// `‖x₀‖/‖x‖` of the part x₀ of the result x that the measurement does not see, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub null_space_share: Option<f64>,
    /// Standard deviation of the noise in what was measured, in the unit of the image, where pixels themselves are measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_std: Option<f64>,
    /// By how much the variance of the posterior lies below that of the noise, `10 log₁₀(n²/mean s²)` dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_gain: Option<f64>,
    /// How the model took the result, where it was asked.
    #[serde(flatten)]
    pub typicality: Option<Typicality>,
    /// Why another method was taken than the one asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Relative data residual `‖Λ(T x − y)‖ / ‖Λ y‖` of the result; none for a slice that was known.
    pub data_residual: Option<f64>,
}

/// A slice that was reconstructed, its images in the unit of the output.
#[derive(Clone, Debug)]
pub struct Solved {
    /// What the method found.
    pub image: Array2<f32>,
    /// What is known of its pixels, each map once; nothing for a slice that was known.
    pub maps: Vec<(Map, Array2<f32>)>,
    /// What each baseline found from the same data.
    pub baselines: Vec<Array2<f32>>,
    /// What it took.
    pub record: SliceRecord,
}

/// What runs on every slice.
pub struct Solver<'a, S: Study> {
    /// The method.
    pub method: &'a Method<S::Transform>,
    /// What it is compared with.
    pub baselines: Vec<&'a Method<S::Transform>>,
    /// Whether to find the part of every result that the measurement does not see.
    pub null_space: bool,
}

/// Conjugate-gradient steps for the part of an image that a measurement sees.
const NULL_SPACE_ITERATIONS: usize = 50;

impl<S: Study> Solver<'_, S>
where
    ImageOf<S>: Clone,
{
    /// Slice `k` of a study.
    ///
    /// # Errors
    /// When it cannot be measured, or the method fails or was [cancelled](crate::Cancelled).
    pub fn solve(&self, study: &S, k: usize, progress: &dyn Progress) -> Result<Solved> {
        match study.slice(k)? {
            Slice::Known(image) => Ok(Solved {
                baselines: vec![image.clone(); self.baselines.len()],
                image,
                maps: Vec::new(),
                record: SliceRecord {
                    network_calls: 0,
                    seconds: 0.0,
                    null_space_share: None,
                    noise_std: None,
                    expected_gain: None,
                    typicality: None,
                    remark: None,
                    data_residual: None,
                },
            }),
            Slice::Measured(problem) => self.reconstruct(study, (k, &problem), progress),
        }
    }

    fn reconstruct(
        &self,
        study: &S,
        (k, problem): (usize, &Problem<S::Transform>),
        progress: &dyn Progress,
    ) -> Result<Solved> {
        let seed = study.seed(k);
        let begin = Instant::now();
        let Estimate { image, mut maps, network_calls, typicality, remark } =
            self.method.run.reconstruct(problem, seed, progress)?;
        let seconds = begin.elapsed().as_secs_f64();
        let data_residual = Some(problem.residual(&image));
        let mut record = SliceRecord {
            network_calls,
            seconds,
            null_space_share: None,
            noise_std: study.noise_std(k),
            expected_gain: None,
            typicality,
            remark,
            data_residual,
        };
        if self.null_space {
            let unseen = unseen(problem, &image, progress)?;
            record.null_space_share = Some(unseen.norm() / image.norm().max(f64::MIN_POSITIVE));
            maps.push((Map::NullSpace, unseen));
        }
        let maps = maps.into_iter().map(|(map, values)| {
            let written = match map {
                Map::Low | Map::High => study.image(k, values)?,
                Map::Std | Map::NullSpace => study.difference(values),
            };
            Ok((map, written))
        });
        let maps: Vec<(Map, Array2<f32>)> = maps.collect::<Result<_>>()?;
        let std = maps.iter().find(|(map, _)| *map == Map::Std).map(|(_, std)| std);
        record.expected_gain = record.noise_std.zip(std).and_then(|(noise, std)| gain(noise, std));
        let baselines = self.baselines(study, (k, problem), seed, progress)?;
        Ok(Solved { image: study.image(k, image)?, maps, baselines, record })
    }

    fn baselines(
        &self,
        study: &S,
        (k, problem): (usize, &Problem<S::Transform>),
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Vec<Array2<f32>>> {
        let image = |baseline: &&Method<S::Transform>| {
            // Its steps are not the method's.
            let found = baseline.run.reconstruct(problem, seed, &Quiet(progress))?;
            study.image(k, found.image)
        };
        self.baselines.iter().map(image).collect()
    }
}

/// `10 log₁₀(n²/mean s²)` of noise n and a map of standard deviations s, in dB; none where nothing deviates.
fn gain(noise: f64, std: &Array2<f32>) -> Option<f64> {
    let sum: f64 = std.iter().map(|&s| f64::from(s).powi(2)).sum();
    let gain = 10.0 * (noise * noise * std.len() as f64 / sum).log10();
    gain.is_finite().then_some(gain)
}

/// The part of an image that the measurement does not see.
///
/// # Errors
/// [`Cancelled`]
fn unseen<T: Transform>(
    problem: &Problem<T>,
    image: &T::Image,
    progress: &dyn Progress,
) -> Result<T::Image, Cancelled> {
    let mut stopped = false;
    let part = null_space_part(problem, image, NULL_SPACE_ITERATIONS, &mut |_| {
        stopped = progress.cancelled();
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if stopped { Err(Cancelled) } else { Ok(part) }
}
