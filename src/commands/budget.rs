//! As many noise levels as a time allows.

use super::context::Context;
use super::defaults;
use super::failure::Failure;
use super::job::Method;
use super::learned::Plan;
use super::options::Common;
use anyhow::Result;
use ndarray::Array2;
use recon_operators::{Problem, Transform};
use recon_pipelines::{Case, Progress, Slice, SliceSeed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Steps of the run that is timed; the first is slower than the others.
const PILOT: usize = 4;

/// Fewer levels than this are not planned, however short the time: nobody has measured what they are worth.
const FEWEST: usize = 8;

/// The plan with as many steps as reconstruct a slice within `--budget`; the plan itself where there is none.
///
/// Times a short run of the method on the first slice that has anything to reconstruct. How many steps came of it is
/// said, and stands in the report: with `--steps` the same result can be had again.
///
/// # Errors
/// When the method has no noise levels, or fails.
pub(super) fn fitted<T: Transform<Image = Array2<f32>>>(
    plan: &Plan,
    common: &Common,
    case: &Case<'_, T>,
    build: &dyn Fn(&Plan) -> Result<Method<T>>,
    context: &Context,
) -> Result<Plan> {
    let Some(budget) = common.budget else { return Ok(plan.clone()) };
    let Some(most) = most(plan) else {
        let message = "--budget: plans noise levels, which this --method has not; leave it out";
        return Err(Failure::Usage(message.into()).into());
    };
    let Some((problem, seed)) = first(case)? else { return Ok(plan.clone()) };
    let pilot = build(&Plan { steps: Some(PILOT), samples: Some(1), ..plan.clone() })?;
    let clock = Clock { begin: Instant::now(), steps: Mutex::default(), context };
    pilot.run.reconstruct(&problem, seed, &clock)?;
    let pace = clock.pace();
    let runs = plan.samples.unwrap_or(1) * plan.passes.unwrap_or(1);
    let steps = pace.steps(budget, runs, most);
    context.say(&format!(
        "--budget {:.0} s: {steps} steps of {:.2} s after {:.1} s for the start{}",
        budget.as_secs_f64(),
        pace.step.as_secs_f64(),
        pace.start.as_secs_f64(),
        if pace.time(steps, runs) > budget { "; fewer are not planned" } else { "" }
    ));
    Ok(Plan { steps: Some(steps), ..plan.clone() })
}

/// The largest number of steps that is of any use: twice the default one of the default method, the published one of
/// the predictor-corrector sampler; none where there are no noise levels.
fn most(plan: &Plan) -> Option<usize> {
    match (&plan.model, plan.snr) {
        (None, _) => None,
        (Some(_), None) => {
            let samples = plan.samples.unwrap_or(1);
            Some(2 * defaults::decomposed(plan.task(), samples).steps)
        }
        (Some(_), Some(_)) => Some(defaults::predictor_corrector(plan.task(), (0.01, 1.0)).steps),
    }
}

/// The first slice that is to be reconstructed.
fn first<T: Transform>(case: &Case<'_, T>) -> Result<Option<(Problem<T>, SliceSeed)>> {
    for (k, &position) in case.positions_um.iter().enumerate() {
        if let Slice::Measured(problem) = (case.slice)(k)? {
            let seed = SliceSeed { seed: case.seed, case: case.number, slice: position };
            return Ok(Some((problem, seed)));
        }
    }
    Ok(None)
}

/// Notes when each step was done.
struct Clock<'a> {
    begin: Instant,
    steps: Mutex<Vec<Instant>>,
    context: &'a Context,
}

impl Progress for Clock<'_> {
    fn step(&self, _done: usize, _steps: usize) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }
    fn cancelled(&self) -> bool {
        self.context.interruption().is_some()
    }
}

impl Clock<'_> {
    fn pace(&self) -> Pace {
        let end = Instant::now();
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = match steps[..] {
            [first, .., last] => (first, last),
            _ => (end, end),
        };
        let step = (last - first) / steps.len().saturating_sub(1).max(1) as u32;
        let around = (end - self.begin).saturating_sub(step * steps.len() as u32);
        Pace { start: around, step }
    }
}

/// How fast a method is.
struct Pace {
    /// Everything but the steps.
    start: Duration,
    /// One step.
    step: Duration,
}

impl Pace {
    fn time(&self, steps: usize, runs: usize) -> Duration {
        self.start + self.step * (steps * runs) as u32
    }

    /// The number of steps of so many passes or samples that end before `time`, at least [`FEWEST`] and at `most` so many.
    fn steps(&self, time: Duration, runs: usize, most: usize) -> usize {
        let left = time.saturating_sub(self.start).as_secs_f64();
        let steps = (left / self.step.as_secs_f64().max(1e-9) / runs as f64).floor();
        (steps.min(most as f64) as usize).max(FEWEST.min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_the_time_between_the_fewest_and_the_most() {
        let pace = Pace { start: Duration::from_secs(5), step: Duration::from_millis(500) };
        let steps = |seconds| pace.steps(Duration::from_secs(seconds), 1, 64);
        assert_eq!([1, 9, 20, 21, 1000].map(steps), [FEWEST, FEWEST, 30, 32, 64]);
        assert_eq!(pace.time(30, 1), Duration::from_secs(20));
        assert_eq!(
            (pace.steps(Duration::from_secs(45), 8, 64), pace.time(10, 8)),
            (10, Duration::from_secs(45))
        );
    }
}
