//! Annealed Langevin dynamics guided by the likelihood.

use super::{COEFFICIENT, SIGMA_MAX, SIGMA_MIN, Sampler, Start, T_END, falling, report};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use crate::score::measure::{GuidedMove, LikelihoodGradient, Measured};
use crate::score::model::Differentiable;
use crate::score::moves::{AnnealedLangevin, NoUpdate, ReverseProcess, Unconditional};
use crate::score::process::{Noise, Ve};
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::{Progress, Task};
use serde::{Deserialize, Serialize};

/// Langevin moves at falling noise levels by the prior's score and [`LikelihoodGradient`], from pure noise. The gradient is
/// scaled by `‖A‖`, so that one coefficient serves every operator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GuidedLangevin {
    /// Number of noise levels.
    pub steps: usize,
    /// Lowest noise level, in model units.
    pub sigma_min: f64,
    /// Noise level that sampling starts from, in model units.
    pub sigma_max: f64,
    /// Langevin moves at every level, with a network call each.
    pub moves: usize,
    /// Size of a move relative to the noise level.
    pub snr: f64,
    /// `c/‖A‖`, by how much of the image's noise the data are believed less.
    pub coefficient: f64,
}

impl Sampler for GuidedLangevin {
    fn sound(&self) -> std::result::Result<(), SettingError> {
        self.check_all()
    }

    fn draw(
        &self,
        prior: &dyn Differentiable,
        measured: &dyn Measured,
        _start: Start<'_>,
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let Self { steps, sigma_min, sigma_max, moves, snr, coefficient } = *self;
        let guidance =
            LikelihoodGradient { measurement: measured, coefficient: coefficient * measured.norm() };
        let process = ReverseProcess {
            sde: Ve { sigma_min, sigma_max },
            predictor: Box::new(NoUpdate),
            corrector: Box::new(GuidedMove { moves: AnnealedLangevin { snr, moves }, guidance }),
            steps,
            t_end: T_END,
        };
        process.sample(&prior, &mut Unconditional, noise, &mut |done| report(progress, done, steps))
    }
}

impl SamplerSettings for GuidedLangevin {
    const INFO: Info = Info {
        name: "langevin",
        aliases: &[],
        about: "Annealed Langevin dynamics guided by the likelihood of the noisy image",
        source: "Jalal et al. 2021",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new("steps", Range::Count(2), "Number of noise levels"),
            Knob::new("moves", Range::Count(1), "Langevin moves at every level, with a network call each"),
            Knob::new("snr", Range::Positive, "Size of a move relative to the noise level"),
            COEFFICIENT,
            SIGMA_MIN,
            SIGMA_MAX,
        ],
        learned: true,
        noise: true,
    };

    fn defaults(_task: Task, _given: &Table) -> Self {
        Self { steps: 100, sigma_min: 0.01, sigma_max: 6.0, moves: 3, snr: 0.3, coefficient: 0.5 }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    fn most_steps(_task: Task, _several: bool) -> usize {
        700
    }

    fn check(&self) -> std::result::Result<(), SettingError> {
        falling(self.sigma_min, self.sigma_max)
    }
}
