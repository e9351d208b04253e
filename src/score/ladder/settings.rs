//! What there is to know about the climb, and its settings.

use super::climb::{Climb, Filling, Flips};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use recon_pipelines::Task;

impl SamplerSettings for Climb {
    const INFO: Info = Info {
        name: "conditional",
        aliases: &[],
        about: "A prior that is told what was measured and needs few calls; falls back on method score",
        source: "Bansal et al. 2022 (cold diffusion), Chen et al. 2025 (CvG-Diff)",
        tasks: &[Task::Ct, Task::Mri],
        knobs: &[
            Knob::new("steps", Range::Count(1), "Number of rungs"),
            Knob::new(
                "filling",
                Range::Choice(&["full", "renew"]),
                "What the previous estimate fills in: all that was not measured, or more of it at every rung",
            ),
            Knob::new(
                "flips",
                Range::Choice(&["upright", "turn", "all"]),
                "How the network sees images: as they are, as another mirror image at every rung, or as all four at each",
            ),
            Knob::new(
                "noise-trust",
                Range::Positive,
                "How much larger than white noise the image's error is taken to be where the data see it; no effect without known noise",
            ),
        ],
        learned: true,
        noise: true,
    };

    /// Mean PSNR of seventeen validation slices of CT at 1, 2, 4, 8 and 12 calls: 34.45, 35.41, 36.13, 36.65 and 36.80 dB
    /// with 23 views, 29.25, 29.94, 30.47, 30.86 and 30.97 dB with 10. It falls beyond 14.
    fn defaults(task: Task, _given: &Table) -> Self {
        let steps = if task == Task::Mri { 6 } else { 12 };
        Self { steps, filling: Filling::Full, flips: Flips::Turn, noise_trust: 1.7 }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    fn check(&self) -> Result<(), SettingError> {
        Ok(())
    }

    /// The error of MRI grows again after the ninth, that of CT after the fourteenth.
    fn most_steps(task: Task, _several: bool) -> usize {
        if task == Task::Mri { 12 } else { 14 }
    }
}
