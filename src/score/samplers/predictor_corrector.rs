//! The dissertation's method: a VE predictor-corrector sampler that imposes the measurement at every step.

use super::{SIGMA_MAX, SIGMA_MIN, Sampler, Start, T_END, falling, report};
use crate::knobs::{Info, Knob, Range, SamplerSettings, Search, SettingError, Table};
use crate::score::measure::{Form, Measured, Projection};
use crate::score::model::Differentiable;
use crate::score::moves::{Langevin, ReverseDiffusion, ReverseProcess};
use crate::score::process::{Noise, Ve};
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::{Progress, Task};
use serde::{Deserialize, Serialize};

/// Reverse diffusion, one Langevin move before it, and [`Projection`] before both; starts from pure noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PredictorCorrector {
    /// Lowest noise level, in model units.
    pub sigma_min: f64,
    /// Noise level that sampling starts from, in model units.
    pub sigma_max: f64,
    /// `N`; the network is called `2N + 1` times.
    pub steps: usize,
    /// Signal-to-noise ratio of the corrector (the dissertation's `η`).
    pub snr: f64,
    /// λ of the consistency step, in `[0, 1]`.
    pub lambda: f64,
    /// λ of the last one: 1 makes noiseless data fit exactly.
    pub final_lambda: f64,
    /// How the consistency step is solved.
    pub form: Form,
}

impl PredictorCorrector {
    /// What the dissertation published: VE from 0.01 to 128 in 1000 steps, Theorem 8.1 as it stands.
    pub fn published(snr: f64, lambda: f64) -> Self {
        Self {
            sigma_min: 0.01,
            sigma_max: 128.0,
            steps: 1000,
            snr,
            lambda,
            final_lambda: 1.0,
            form: Form::Published,
        }
    }
}

impl SamplerSettings for PredictorCorrector {
    const INFO: Info = Info {
        name: "pc",
        aliases: &[],
        about: "The learned prior by predictor-corrector sampling: slow, as published",
        source: "Song's dissertation (Stanford 2022), chapter 8",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new("steps", Range::Count(2), "Number of noise levels, with two network calls each"),
            Knob::searched(
                "snr",
                Range::Positive,
                Search::Logarithmic(0.01, 1.0),
                "Signal-to-noise ratio of the Langevin corrector",
            ),
            Knob::searched(
                "lambda",
                Range::Share,
                Search::Linear(0.0, 1.0),
                "Weight λ of the measurement in every step",
            ),
            SIGMA_MIN,
            SIGMA_MAX,
        ],
        learned: true,
        noise: true,
    };

    /// As the dissertation tuned it for its data; the form for CT does not pass the image through back-projection at every
    /// step.
    fn defaults(task: Task, _given: &Table) -> Self {
        let (snr, lambda, form) = match task {
            Task::Ct => (0.246, 0.841, Form::ConjugateGradient { iterations: 6 }),
            Task::Mar => (0.209, 0.227, Form::ConjugateGradient { iterations: 6 }),
            Task::Mri | Task::Denoise => (0.577, 0.982, Form::Published),
        };
        Self { form, ..Self::published(snr, lambda) }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    /// As many as were published.
    fn check(&self) -> std::result::Result<(), SettingError> {
        falling(self.sigma_min, self.sigma_max)
    }
}

impl Sampler for PredictorCorrector {
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
        let Self { sigma_min, sigma_max, steps, snr, lambda, final_lambda, form } = *self;
        let process = ReverseProcess {
            sde: Ve { sigma_min, sigma_max },
            predictor: Box::new(ReverseDiffusion),
            corrector: Box::new(Langevin::new(snr)),
            steps,
            t_end: T_END,
        };
        let mut consistency = Projection::new(measured, lambda, final_lambda, form);
        process.sample(&prior, &mut consistency, noise, &mut |done| report(progress, done, steps))
    }
}
