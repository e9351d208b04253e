//! Settings from a model's card: below what the user says, above the program's defaults.

use super::learned::{self, Plan, Task};
use super::options::{Family, Learned, OrientationsName};
use crate::models::{Found, Manifest, Tuned, TunedTask, read_card};
use anyhow::Result;

/// The settings of a method of this family for a task: from options, else from the card of the model, else the
/// program's.
///
/// # Errors
/// When the method has a model and its card cannot be read.
pub fn plan(options: &Learned, family: Family, task: Task) -> Result<Plan> {
    if !family.is_learned() {
        return Ok(Plan::new(options, family, task));
    }
    let card = read_card(&learned::source(&learned::model_name(options, task))?)?;
    let planned = |options: &Learned| {
        let mut filled = filled(options, family, of_task(&card.tuned, task));
        filled.orientations = options.orientations.or(Some(orientations(&card)));
        Plan::new(&filled, family, task)
    };
    let mut plan = planned(options);
    if family == Family::Score && options.samples > 1 {
        plan.around = Some(Box::new(planned(&one(options))));
    }
    Ok(plan)
}

/// The options for the estimate that several samples are drawn around: what the user says of levels and noise is about
/// the samples.
fn one(options: &Learned) -> Learned {
    let Learned { model, device, orientations, data_weight, noise_std, cg_iterations, .. } = options.clone();
    let shared = Learned { model, device, orientations, ..options.without_settings() };
    Learned { samples: 1, data_weight, noise_std, cg_iterations, ..shared }
}

/// The program's own networks are trained on all of them; of others nobody knows.
fn orientations(card: &Manifest) -> OrientationsName {
    if card.film_unet().is_some() { OrientationsName::All } else { OrientationsName::Upright }
}

/// A line for every method with settings of its own, and what they reach.
pub fn describe(tuned: &Tuned) -> String {
    let tasks = [("ct", &tuned.ct), ("mri", &tuned.mri), ("mar", &tuned.mar)];
    let lines = tasks.iter().flat_map(|(task, methods)| {
        let score = methods.score.as_ref().map(|score| line(task, "score", score.found.as_ref()));
        let pc = methods.pc.as_ref().map(|pc| line(task, "pc", pc.found.as_ref()));
        score.into_iter().chain(pc)
    });
    lines.collect()
}

fn line(task: &str, method: &str, found: Option<&Found>) -> String {
    let what = found.map_or_else(String::new, |found| {
        let Found { protocol, slices, trials, psnr, psnr_before, .. } = found;
        format!(": {psnr:.2} dB, before {psnr_before:.2} dB ({protocol}, {slices} slices, {trials} trials)")
    });
    format!("tuned       {task} by {method}{what}\n")
}

/// The settings for a task.
fn of_task(tuned: &Tuned, task: Task) -> &TunedTask {
    match task {
        Task::Ct => &tuned.ct,
        Task::Mri => &tuned.mri,
        Task::Mar => &tuned.mar,
    }
}

/// The options, where they say nothing as the card has it.
fn filled(options: &Learned, family: Family, tuned: &TunedTask) -> Learned {
    let mut filled = options.clone();
    match (family, &tuned.score, &tuned.pc) {
        (Family::Score, Some(score), _) => {
            filled.data_weight = options.data_weight.or(score.data_weight);
            filled.cg_iterations = options.cg_iterations.or(score.cg_iterations);
            // Levels and temperature that are best for one estimate say nothing about the samples around it.
            if options.samples == 1 {
                filled.steps = options.steps.or(score.steps);
                filled.sigma_start = options.sigma_start.or(score.sigma_start);
                filled.sigma_end = options.sigma_end.or(score.sigma_end);
                filled.eta = options.eta.or(score.eta);
                filled.momentum = options.momentum.or(score.momentum);
                filled.temperature = options.temperature.or(score.temperature);
            }
        }
        (Family::PredictorCorrector, _, Some(pc)) => {
            filled.steps = options.steps.or(pc.steps);
            filled.snr = options.snr.or(pc.snr);
            filled.lambda = options.lambda.or(pc.lambda);
        }
        _ => {}
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{TunedPc, TunedScore};
    use clap::Parser;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        learned: Learned,
    }

    fn options(words: &str) -> Learned {
        Options::try_parse_from(std::iter::once("recon").chain(words.split_whitespace()))
            .unwrap_or_else(|error| panic!("{error}"))
            .learned
    }

    fn task() -> TunedTask {
        let score = TunedScore {
            steps: Some(7),
            sigma_start: Some(0.4),
            sigma_end: Some(0.01),
            temperature: Some(0.25),
            cg_iterations: Some(4),
            ..TunedScore::default()
        };
        let pc = TunedPc { snr: Some(0.05), ..TunedPc::default() };
        TunedTask { score: Some(score), pc: Some(pc) }
    }

    #[test]
    fn options_win_over_the_card_and_the_card_over_the_program() {
        let filled = filled(&options("--sigma-end 0.02"), Family::Score, &task());
        let plan = Plan::new(&filled, Family::Score, Task::Ct);
        assert_eq!((plan.steps, plan.sigma_start, plan.sigma_end), (Some(7), Some(0.4), Some(0.02)));
        assert_eq!((plan.temperature, plan.cg_iterations), (Some(0.25), Some(4)));
        assert_eq!(plan.data_weight, Plan::new(&options(""), Family::Score, Task::Ct).data_weight);
    }

    #[test]
    fn each_method_has_its_own_settings() {
        let filled = filled(&options(""), Family::PredictorCorrector, &task());
        assert_eq!((filled.snr, filled.steps, filled.sigma_start), (Some(0.05), None, None));
    }

    #[test]
    fn several_samples_keep_their_spread() {
        let filled = filled(&options("--samples 3"), Family::Score, &task());
        let plan = Plan::new(&filled, Family::Score, Task::Ct);
        assert_eq!((plan.temperature, plan.steps), (Some(1.0), Some(12)));
    }
}
