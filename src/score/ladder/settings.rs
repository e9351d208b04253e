//! What there is to know about the climb, and its settings.

use super::climb::{Climb, Filling, Flips};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use recon_pipelines::Task;

impl SamplerSettings for Climb {
    const INFO: Info = Info {
        name: "conditional",
        aliases: &[],
        about: "A prior that is told what was measured, in a few calls; else the method score",
        source: "Bansal et al. 2022 (cold diffusion), Chen et al. 2025 (CvG-Diff)",
        tasks: &[Task::Mri],
        knobs: &[
            Knob::new("steps", Range::Count(1), "Number of rungs"),
            Knob::new(
                "filling",
                Range::Choice(&["full", "renew"]),
                "What comes from the estimate before: all that was not measured, or more of it at every rung",
            ),
            Knob::new(
                "flips",
                Range::Choice(&["upright", "turn", "all"]),
                "How the network is shown images: as they are, as another mirror image at every rung, or as all four at each",
            ),
            Knob::new(
                "noise-trust",
                Range::Positive,
                "How much more data of known noise are believed than beside white noise; without effect where no noise is told",
            ),
        ],
        learned: true,
        noise: true,
    };

    fn defaults(_task: Task, _given: &Table) -> Self {
        Self { steps: 6, filling: Filling::Full, flips: Flips::Turn, noise_trust: 1.7 }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    fn check(&self) -> Result<(), SettingError> {
        Ok(())
    }

    /// Twice as many as it has by default.
    fn most_steps(_task: Task, _several: bool) -> usize {
        12
    }
}
