//! As many steps as a time allows.

use super::{Methods, Pace};
use crate::{Acquisition, Progress, Refused, Slice, Study, Task};
use anyhow::Result;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Steps of the run that is timed; the first is slower than the others.
const PILOT: usize = 4;

/// Fewer steps than this are not planned, however short the time: nobody has measured what they are worth.
const FEWEST: usize = 8;

/// The method with as many steps as reconstruct a slice within `budget`, and what came of it in words.
///
/// Times a short run on the first slice that has anything to reconstruct. With the number of steps that comes of it the
/// same result can be had again.
///
/// # Errors
/// When the method has no noise levels, or fails.
pub(super) fn fitted<M, S: Study>(
    (method, task): (&M, Task),
    budget: Duration,
    study: &S,
    methods: &impl Methods<M>,
    progress: &dyn Progress,
) -> Result<Option<(M, String)>>
where
    S::Transform: Acquisition,
{
    let Some(pace) = methods.pace(method, task) else {
        let message = "--budget: plans noise levels, and this --method has none; leave it out";
        return Err(Refused::Usage(message.into()).into());
    };
    let Some(k) = first(study)? else { return Ok(None) };
    let Slice::Measured(problem) = study.slice(k)? else { return Ok(None) };
    let pilot = methods.with_steps(method, PILOT, true);
    let pilot = methods.build::<S::Transform>(&pilot, task, study.frame().values.unit())?;
    let clock = Clock { begin: Instant::now(), steps: Mutex::default(), progress };
    pilot.run.reconstruct(&problem, study.seed(k), &clock)?;
    let time = clock.time();
    let steps = time.steps(budget, pace);
    let late =
        if time.total(steps, pace.runs) > budget { "; this is the minimum and takes longer" } else { "" };
    let words = format!(
        "--budget {:.0} s: {steps} steps of {:.2} s after {:.1} s for the start{late}",
        budget.as_secs_f64(),
        time.step.as_secs_f64(),
        time.start.as_secs_f64(),
    );
    Ok(Some((methods.with_steps(method, steps, false), words)))
}

/// The first slice that is to be reconstructed.
pub(super) fn first<S: Study>(study: &S) -> Result<Option<usize>> {
    for k in 0..study.frame().shape[0] {
        if let Slice::Measured(_) = study.slice(k)? {
            return Ok(Some(k));
        }
    }
    Ok(None)
}

/// Notes when each step was done.
struct Clock<'a> {
    begin: Instant,
    steps: Mutex<Vec<Instant>>,
    progress: &'a dyn Progress,
}

impl Progress for Clock<'_> {
    fn step(&self, _done: usize, _steps: usize) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }
    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

impl Clock<'_> {
    fn time(&self) -> Time {
        let end = Instant::now();
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = match steps[..] {
            [first, .., last] => (first, last),
            _ => (end, end),
        };
        let step = (last - first) / steps.len().saturating_sub(1).max(1) as u32;
        let around = (end - self.begin).saturating_sub(step * steps.len() as u32);
        Time { start: around, step }
    }
}

/// How long a method takes.
struct Time {
    /// Everything but the steps.
    start: Duration,
    /// One step.
    step: Duration,
}

impl Time {
    fn total(&self, steps: usize, runs: usize) -> Duration {
        self.start + self.step * (steps * runs) as u32
    }

    /// The number of steps that end before `budget`, at least [`FEWEST`] and at most as many as are of use.
    fn steps(&self, budget: Duration, pace: Pace) -> usize {
        let left = budget.saturating_sub(self.start).as_secs_f64();
        let steps = (left / self.step.as_secs_f64().max(1e-9) / pace.runs as f64).floor();
        (steps.min(pace.most as f64) as usize).max(FEWEST.min(pace.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_the_time_between_the_fewest_and_the_most() {
        let time = Time { start: Duration::from_secs(5), step: Duration::from_millis(500) };
        let steps = |seconds, runs| time.steps(Duration::from_secs(seconds), Pace { runs, most: 64 });
        assert_eq!([1, 9, 20, 21, 1000].map(|s| steps(s, 1)), [FEWEST, FEWEST, 30, 32, 64]);
        assert_eq!(time.total(30, 1), Duration::from_secs(20));
        assert_eq!((steps(45, 8), time.total(10, 8)), (10, Duration::from_secs(45)));
    }
}
