//! A trial: settings, and how good they are.

use super::parameter::{Parameter, Point};
use super::sampler::Tried;
use serde::{Deserialize, Serialize};

/// Why settings are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Origin {
    /// They are the program's.
    Program,
    /// They are those of the model's card.
    Card,
    /// They are the dissertation's.
    Published,
    /// The search came to them.
    Search,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// With every slice.
    Complete,
    /// Early: far below the best.
    Pruned,
    /// Some slice could not be reconstructed.
    Failed,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// Its number, from 0.
    pub(super) trial: usize,
    /// Why it was made.
    pub(super) origin: Origin,
    /// The settings.
    pub(super) settings: Point,
    /// How it ended.
    pub(super) outcome: Outcome,
    /// What went wrong, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Mean of `slices`, dB; none when it failed.
    pub(super) psnr: Option<f64>,
    /// PSNR of every measured slice that ran, in order, dB.
    pub(super) slices: Vec<f64>,
    /// Wall time.
    pub(super) seconds: f64,
}

/// How far below the best, on the slices so far, a trial is given up, dB.
const HOPELESS: f64 = 3.0;
/// Which share of the slices must have run before.
const SHARE: usize = 3;

/// A PSNR to six digits: more mean nothing, and these survive being written. Equal images count as 200 dB, which
/// single precision does not reach.
pub(super) fn rounded(psnr: Option<f64>) -> f64 {
    (psnr.unwrap_or(200.0) * 1e6).round() / 1e6
}

/// Mean of the values; 0 of none.
pub(super) fn mean(values: &[f64]) -> f64 {
    rounded(Some(values.iter().sum::<f64>() / values.len().max(1) as f64))
}

impl Trial {
    /// The PSNR to be compared with that of others: only where every slice ran.
    pub(super) fn score(&self) -> Option<f64> {
        self.psnr.filter(|_| self.outcome == Outcome::Complete)
    }

    /// How far it lies below `best` on the slices that ran, dB.
    fn deficit(&self, best: &Self) -> f64 {
        below(&self.slices, &best.slices)
    }

    /// Whether the line can have been written by a search of these parameters over `cases` slices.
    pub(super) fn is_sound(&self, number: usize, parameters: &[Parameter], cases: usize) -> bool {
        let finite = |value: &f64| value.is_finite();
        let count = match self.outcome {
            Outcome::Complete => self.slices.len() == cases,
            Outcome::Pruned | Outcome::Failed => self.slices.len() < cases,
        };
        let psnr = (self.outcome != Outcome::Failed).then(|| mean(&self.slices));
        self.trial == number
            && self.settings.len() == parameters.len()
            && parameters.iter().all(|parameter| self.settings.contains_key(parameter))
            && self.settings.values().all(finite)
            && self.slices.iter().all(finite)
            && self.seconds.is_finite()
            && self.seconds >= 0.0
            && count
            && self.psnr == psnr
    }
}

fn below(slices: &[f64], best: &[f64]) -> f64 {
    let count = slices.len().min(best.len());
    mean(&best[..count]) - mean(&slices[..count])
}

/// Whether a trial with these slices so far, of `cases`, is not worth going on with: a third has run, and the
/// mean lies more than 3 dB below that of the best trial on the same slices.
pub(super) fn is_hopeless(slices: &[f64], best: Option<&Trial>, cases: usize) -> bool {
    let ran = slices.len() < cases && slices.len() >= cases.div_ceil(SHARE);
    ran && best.is_some_and(|best| below(slices, &best.slices) > HOPELESS)
}

/// The best of the trials with all slices, the first of equals.
pub(super) fn best(trials: &[Trial]) -> Option<&Trial> {
    let complete = trials.iter().filter(|trial| trial.score().is_some());
    complete.reduce(|best, trial| if trial.score() > best.score() { trial } else { best })
}

/// What the search learns from the trials. One that was given up counts as far below the best of its time as it
/// was on the slices that ran.
pub(super) fn lessons(trials: &[Trial]) -> Vec<Tried> {
    let lesson = |(number, trial): (usize, &Trial)| {
        let score = match trial.outcome {
            Outcome::Complete => trial.psnr,
            Outcome::Pruned => {
                best(&trials[..number]).and_then(|best| best.score().map(|score| score - trial.deficit(best)))
            }
            Outcome::Failed => None,
        };
        Tried { point: trial.settings.clone(), score: score.unwrap_or(f64::NEG_INFINITY) }
    };
    trials.iter().enumerate().map(lesson).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A trial of the consistency weight alone.
    pub(in super::super) fn trial(number: usize, outcome: Outcome, slices: &[f64]) -> Trial {
        Trial {
            trial: number,
            origin: Origin::Search,
            settings: Point::from([(Parameter::try_from("lambda".to_owned()).expect("a parameter"), 0.5)]),
            outcome,
            error: None,
            psnr: (outcome != Outcome::Failed).then(|| mean(slices)),
            slices: slices.to_vec(),
            seconds: 1.0,
        }
    }

    #[test]
    fn hopeless_is_more_than_3_db_below_on_a_third_of_the_same_slices() {
        let best = trial(0, Outcome::Complete, &[20.0, 30.0, 40.0, 50.0]);
        assert!(!is_hopeless(&[10.0], Some(&best), 4), "less than a third");
        assert!(is_hopeless(&[20.0, 23.0], Some(&best), 4));
        assert!(!is_hopeless(&[20.0, 25.0], Some(&best), 4));
        assert!(!is_hopeless(&[1.0, 1.0, 1.0, 1.0], Some(&best), 4), "there is nothing left to save");
        assert!(!is_hopeless(&[1.0, 1.0], None, 4));
    }

    #[test]
    fn only_whole_trials_are_best_and_the_first_of_equals_is() {
        let trials = [
            trial(0, Outcome::Failed, &[]),
            trial(1, Outcome::Complete, &[20.0, 22.0]),
            trial(2, Outcome::Complete, &[22.0, 20.0]),
            trial(3, Outcome::Pruned, &[90.0]),
        ];
        assert_eq!(best(&trials).map(|trial| trial.trial), Some(1));
        assert!(best(&trials[..1]).is_none());
    }

    #[test]
    fn lessons_put_pruned_trials_below_the_best_of_their_time() {
        let trials = [
            trial(0, Outcome::Complete, &[20.0, 30.0]),
            trial(1, Outcome::Pruned, &[16.0]),
            trial(2, Outcome::Complete, &[30.0, 30.0]),
            trial(3, Outcome::Failed, &[]),
        ];
        let scores: Vec<f64> = lessons(&trials).iter().map(|tried| tried.score).collect();
        assert_eq!(scores, [25.0, 21.0, 30.0, f64::NEG_INFINITY]);
    }
}
