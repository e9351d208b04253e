//! What there is to know about the default method, and its settings for every task.

use super::Decomposed;
use crate::knobs::{Info, Knob, Range, SamplerSettings, Search, SettingError, Table};
use crate::score::model::Orientations;
use recon_pipelines::Task;

/// Samples around a point estimate. Little of the noise is fresh: the more, the narrower the samples. A lower start shows
/// less of what is uncertain, a higher one costs quality; docs/results.md has the numbers.
fn spread(task: Task) -> Decomposed {
    let settings = Decomposed {
        momentum: 0.0,
        temperature: 1.0,
        eta: 0.3,
        steps: 12,
        passes: 1,
        noise_trust: 1.0,
        ..point(task)
    };
    match task {
        Task::Ct | Task::Mar => Decomposed { sigma_start: 0.25, ..settings },
        Task::Mri | Task::Denoise => Decomposed { sigma_start: 0.3, ..settings },
    }
}

/// The estimate of least error; docs/results.md says how these numbers were chosen.
fn point(task: Task) -> Decomposed {
    // Measured on slices of both at 0.5 to 5 % noise; beyond 3 the fits of CT begin to follow the noise.
    let noise_trust = if task == Task::Mri { 1.7 } else { 1.8 };
    let common = Decomposed {
        noise_trust,
        momentum: 0.7,
        temperature: 0.0,
        orientations: Orientations::All,
        ..Decomposed::default()
    };
    match task {
        Task::Ct => {
            Decomposed { sigma_start: 0.25, steps: 40, data_weight: 5000.0, cg_iterations: 8, ..common }
        }
        Task::Mri | Task::Denoise => {
            Decomposed { sigma_start: 0.3, sigma_end: 0.02, steps: 28, passes: 3, ..common }
        }
        Task::Mar => Decomposed { sigma_start: 0.3, steps: 12, ..common },
    }
}

impl SamplerSettings for Decomposed {
    const INFO: Info = Info {
        name: "score",
        aliases: &[],
        about: "The learned prior, fitted to the data at falling noise levels",
        source: "Chung, Lee and Ye 2024; Zhu et al. 2023; Terris et al. 2024",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new("steps", Range::Count(1), "Number of noise levels"),
            Knob::searched(
                "sigma-start",
                Range::Positive,
                Search::Logarithmic(0.1, 2.0),
                "Noise level of the start, in model units",
            ),
            Knob::searched(
                "sigma-end",
                Range::Positive,
                Search::Logarithmic(0.001, 0.05),
                "Noise level of the last network call, in model units",
            ),
            Knob::searched(
                "data-weight",
                Range::NotNegative,
                Search::Logarithmic(10.0, 50_000.0),
                "Largest weight of the data against the denoised image",
            ),
            Knob::new(
                "noise-trust",
                Range::Positive,
                "How much larger than white noise the image's error is taken to be where the data see it; no effect without known noise",
            ),
            Knob::searched(
                "cg-iterations",
                Range::Count(1),
                Search::Whole(3.0, 12.0),
                "Conjugate-gradient iterations of every fit to the data",
            ),
            Knob::searched(
                "eta",
                Range::Share,
                Search::Linear(0.0, 1.0),
                "Share of fresh noise in every step; no effect at temperature 0",
            ),
            Knob::searched(
                "momentum",
                Range::BelowOne,
                Search::Linear(0.0, 0.95),
                "How far a step continues in the direction of the previous one; only at temperature 0",
            ),
            Knob::new(
                "temperature",
                Range::Share,
                "Share of the noise that is added: 0 gives the estimate of least error, 1 draws samples",
            ),
            Knob::new(
                "orientations",
                Range::Choice(&["upright", "all"]),
                "How the network sees images: as they are, or flipped and transposed in turn",
            ),
            Knob::new(
                "passes",
                Range::Count(1),
                "Number of passes over all noise levels, whose results are averaged; more than 1 only at temperature 0",
            ),
        ],
        learned: true,
        noise: true,
    };

    fn defaults(task: Task, given: &Table) -> Self {
        let several =
            given.get("samples").and_then(toml::Value::as_integer).is_some_and(|samples| samples > 1);
        let mut settings = if several { spread(task) } else { point(task) };
        // Passes differ by the orientations alone, and each would draw another sample.
        let quiet =
            given.get("temperature").map_or(settings.temperature == 0.0, |t| t.as_float() == Some(0.0));
        let upright = given.get("orientations").and_then(toml::Value::as_str) == Some("upright");
        if !quiet || upright {
            settings.passes = 1;
        }
        settings
    }

    fn check(&self) -> Result<(), SettingError> {
        if self.sigma_end > self.sigma_start {
            let levels = format!("{} to {}", self.sigma_start, self.sigma_end);
            let message = format!("noise levels must fall: {levels} do not; start above sigma-end");
            return Err(SettingError::new("sigma-start", message));
        }
        if self.passes > 1 && self.temperature > 0.0 {
            let message = "several passes are for temperature 0; give passes = 1 or temperature = 0";
            return Err(SettingError::new("passes", message));
        }
        Ok(())
    }

    fn with_steps(&self, steps: usize, trial: bool) -> Self {
        Self { steps, passes: if trial { 1 } else { self.passes }, ..*self }
    }

    fn passes(&self) -> usize {
        self.passes
    }

    fn most_steps(task: Task, several: bool) -> usize {
        2 * if several { spread(task) } else { point(task) }.steps
    }

    fn idle(&self) -> &'static [&'static str] {
        if self.temperature == 0.0 { &["eta"] } else { &["momentum", "passes"] }
    }

    /// Levels and temperature that are best for one estimate say nothing about the samples around it.
    fn holds_for_samples(key: &str) -> bool {
        matches!(key, "data-weight" | "cg-iterations" | "orientations")
    }

    /// What the user says of levels and noise is about the samples.
    fn shared_with_estimate() -> Option<&'static [&'static str]> {
        Some(&["data-weight", "cg-iterations", "orientations"])
    }
}
