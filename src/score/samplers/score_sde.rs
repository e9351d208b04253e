//! Predictor-corrector sampling guided by a noisy measurement.

use super::{COEFFICIENT, SIGMA_MAX, SIGMA_MIN, Sampler, Start, T_END, falling, report};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use crate::score::measure::{LikelihoodGradient, Measured, NoisyMeasurement};
use crate::score::model::Differentiable;
use crate::score::moves::{Langevin, ReverseDiffusion, ReverseProcess, Unconditional};
use crate::score::process::{Noise, Ve};
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::{Progress, Task};
use serde::{Deserialize, Serialize};

/// Reverse diffusion and Langevin moves, both guided by [`NoisyMeasurement`] with a [`LikelihoodGradient`]: the conditional
/// sampler of the dissertation's appendix B.5.9, (B.36), from pure noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NoisyGuidance {
    /// Number of noise levels.
    pub steps: usize,
    /// Lowest noise level, in model units.
    pub sigma_min: f64,
    /// Noise level that sampling starts from, in model units.
    pub sigma_max: f64,
    /// Signal-to-noise ratio of the Langevin corrector.
    pub snr: f64,
    /// `c/‖A‖`, by how much of the image's noise the data are believed less.
    pub coefficient: f64,
}

impl Sampler for NoisyGuidance {
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
        let Self { steps, sigma_min, sigma_max, snr, coefficient } = *self;
        let coefficient = coefficient * measured.norm();
        let guidance = || LikelihoodGradient { measurement: measured, coefficient };
        let process = ReverseProcess {
            sde: Ve { sigma_min, sigma_max },
            predictor: Box::new(NoisyMeasurement { moves: ReverseDiffusion, guidance: guidance() }),
            corrector: Box::new(NoisyMeasurement { moves: Langevin::new(snr), guidance: guidance() }),
            steps,
            t_end: T_END,
        };
        process.sample(&prior, &mut Unconditional, noise, &mut |done| report(progress, done, steps))
    }
}

impl SamplerSettings for NoisyGuidance {
    const INFO: Info = Info {
        name: "score-sde",
        aliases: &[],
        about: "Predictor-corrector sampling guided by the measurement with noise of the same level",
        source: "Song et al. 2021; the dissertation, appendix B.5.9",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new("steps", Range::Count(2), "Number of noise levels, with two network calls each"),
            Knob::new("snr", Range::Positive, "Signal-to-noise ratio of the Langevin corrector"),
            COEFFICIENT,
            SIGMA_MIN,
            SIGMA_MAX,
        ],
        learned: true,
        noise: true,
    };

    fn defaults(_task: Task, _given: &Table) -> Self {
        Self { steps: 150, sigma_min: 0.01, sigma_max: 6.0, snr: 0.16, coefficient: 1.0 }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    fn check(&self) -> std::result::Result<(), SettingError> {
        falling(self.sigma_min, self.sigma_max)
    }
}
