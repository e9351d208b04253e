//! Annealed Langevin dynamics that impose the measurement.

use super::{SIGMA_MAX, SIGMA_MIN, Sampler, Start, T_END, falling, report};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use crate::score::measure::{Form, Measured, Projection};
use crate::score::model::Differentiable;
use crate::score::moves::{AnnealedLangevin, NoUpdate, ReverseProcess};
use crate::score::process::{Noise, Ve};
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::{Progress, Task};
use serde::{Deserialize, Serialize};

/// Langevin moves at falling noise levels, with [`Projection`] before them: "ALD + ours" of the dissertation, section 8.4.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Annealed {
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
    /// λ of the consistency step, in `[0, 1]`.
    pub lambda: f64,
    /// How the consistency step is solved.
    pub form: Form,
}

impl Sampler for Annealed {
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
        let Self { steps, sigma_min, sigma_max, moves, snr, lambda, form } = *self;
        let process = ReverseProcess {
            sde: Ve { sigma_min, sigma_max },
            predictor: Box::new(NoUpdate),
            corrector: Box::new(AnnealedLangevin { snr, moves }),
            steps,
            t_end: T_END,
        };
        let mut consistency = Projection::new(measured, lambda, 1.0, form);
        process.sample(&prior, &mut consistency, noise, &mut |done| report(progress, done, steps))
    }
}

impl SamplerSettings for Annealed {
    const INFO: Info = Info {
        name: "ald",
        aliases: &[],
        about: "Annealed Langevin dynamics with the consistency step",
        source: "Song's dissertation (Stanford 2022), section 8.4",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new("steps", Range::Count(2), "Number of noise levels"),
            Knob::new("moves", Range::Count(1), "Langevin moves at every level, with a network call each"),
            Knob::new("snr", Range::Positive, "Size of a move relative to the noise level"),
            Knob::new("lambda", Range::Share, "Weight λ of the measurement in every step"),
            SIGMA_MIN,
            SIGMA_MAX,
        ],
        learned: true,
        noise: true,
    };

    fn defaults(task: Task, _given: &Table) -> Self {
        let form =
            if task == Task::Mri { Form::Published } else { Form::ConjugateGradient { iterations: 6 } };
        Self { steps: 100, sigma_min: 0.01, sigma_max: 6.0, moves: 3, snr: 0.3, lambda: 0.95, form }
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
