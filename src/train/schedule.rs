//! The learning rate over a training.

use super::checkpoint::Progress;
use serde::Serialize;
use std::time::Duration;

/// The learning rate never falls below this share of its peak.
const FLOOR: f64 = 0.02;

/// When a training ends; the first limit that is reached counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Total steps.
    pub steps: u64,
    /// Total time, resumed runs included.
    pub time: Option<Duration>,
}

impl Limits {
    /// How much of the training is over, 0 to 1.
    pub(super) fn spent(&self, progress: &Progress) -> f64 {
        let time = self.time.map_or(0.0, |t| progress.seconds / t.as_secs_f64().max(1e-9));
        (progress.steps as f64 / self.steps.max(1) as f64).max(time)
    }
}

/// How the learning rate goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// The largest learning rate.
    pub rate: f64,
    /// Steps over which it grows from zero, in proportion; 0 for none.
    pub warm_up: u64,
    /// What comes after the warm-up.
    pub course: Course,
}

/// What the learning rate does after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// Stays, and falls linearly in the second half of the training, to a fiftieth. The first step moves.
    Falling,
    /// Stays. The first step of a warm-up moves nothing, as in the public code of Song et al. 2021.
    Constant,
}

impl Schedule {
    /// The learning rate of the step after `steps` others, when the share `spent` of the training is over.
    pub fn at(&self, steps: u64, spent: f64) -> f64 {
        let (before, fall) = match self.course {
            Course::Falling => (steps + 1, (2.0 * (1.0 - spent)).clamp(FLOOR, 1.0)),
            Course::Constant => (steps, 1.0),
        };
        let rise = if self.warm_up == 0 { 1.0 } else { (before as f64 / self.warm_up as f64).min(1.0) };
        self.rate * rise * fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_stays_and_falls() {
        let falling = Schedule { rate: 1e-3, warm_up: 200, course: Course::Falling };
        for (steps, spent, expected) in
            [(0, 0.0, 5e-6), (99, 0.1, 5e-4), (500, 0.4, 1e-3), (500, 0.75, 5e-4), (500, 1.0, 2e-5)]
        {
            assert!((falling.at(steps, spent) / expected - 1.0).abs() < 1e-12, "{steps} {spent}");
        }
        let constant = Schedule { course: Course::Constant, ..falling };
        assert_eq!([0, 100, 200].map(|steps| constant.at(steps, 0.99)), [0.0, 5e-4, 1e-3]);
        assert_eq!(Schedule { warm_up: 0, ..constant }.at(0, 0.0), 1e-3);
    }
}
