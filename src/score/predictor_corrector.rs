//! The dissertation's method: a VE predictor-corrector sampler that imposes the measurement at every step.

use super::posterior::{first, report};
use super::{
    Counted, Form, Langevin, Noise, PosteriorSampler, Projection, ReverseDiffusion, Sampler, ScoreModel,
    Stream, UnitRule, Ve, bridge,
};
use crate::knobs::{Info, Knob, Range, SamplerSettings, Search, SettingError, Table};
use anyhow::Result;
use candle_core::Device;
use ndarray::Array2;
use recon_operators::{LinearOperator, Problem, Transform};
use recon_pipelines::{Estimate, Progress, Reconstruct, SliceSeed, Task};
use serde::{Deserialize, Serialize};

/// Settings of [`PredictorCorrector`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PredictorCorrectorSettings {
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

impl PredictorCorrectorSettings {
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

impl SamplerSettings for PredictorCorrectorSettings {
    const INFO: Info = Info {
        name: "pc",
        aliases: &[],
        about: "The learned prior by predictor-corrector sampling: slow, as published",
        source: "Song's dissertation (Stanford 2022), chapter 8",
        tasks: &Task::ALL,
        knobs: &[
            Knob::new("steps", Range::Count(2), "Number of noise levels; two network calls each"),
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
            Knob::new("sigma-min", Range::Positive, "Lowest noise level; by default the model's"),
            Knob::new("sigma-max", Range::Positive, "Noise level of the start; by default the model's"),
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
            Task::Mri => (0.577, 0.982, Form::Published),
        };
        Self { form, ..Self::published(snr, lambda) }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    /// As many as were published.
    fn most_steps(_task: Task, _several: bool) -> usize {
        1000
    }

    fn check(&self) -> std::result::Result<(), SettingError> {
        if self.sigma_min >= self.sigma_max {
            let message = format!(
                "noise levels must rise from sigma-min: {} to {} do not",
                self.sigma_min, self.sigma_max
            );
            return Err(SettingError::new("sigma-max", message));
        }
        Ok(())
    }
}

/// Reverse diffusion, one Langevin move before it, and [`Projection`] before both; starts from pure noise.
pub struct PredictorCorrector<M> {
    /// The prior.
    pub model: M,
    /// How to sample.
    pub settings: PredictorCorrectorSettings,
    /// How physical values become the model's.
    pub unit: UnitRule,
    /// Where the model lives.
    pub device: Device,
}

/// Where time ends for VE processes, as published.
const T_END: f64 = 1e-5;

impl<M: ScoreModel> PredictorCorrector<M> {
    fn sampler(&self) -> Sampler<'static, Ve> {
        let PredictorCorrectorSettings { sigma_min, sigma_max, steps, snr, .. } = self.settings;
        Sampler {
            sde: Ve { sigma_min, sigma_max },
            predictor: Box::new(ReverseDiffusion),
            corrector: Box::new(Langevin::new(snr)),
            steps,
            t_end: T_END,
        }
    }
}

impl<T, M> PosteriorSampler<T> for PredictorCorrector<M>
where
    T: Transform<Image = Array2<f32>>,
    M: ScoreModel,
{
    /// Pure noise.
    type Start = ();

    fn begin(&self, _problem: &Problem<T>, _seed: SliceSeed, _progress: &dyn Progress) -> Result<()> {
        Ok(self.settings.check()?)
    }

    fn calls((): &()) -> usize {
        0
    }

    fn sample(
        &self,
        problem: &Problem<T>,
        (): &(),
        stream: Stream,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let PredictorCorrectorSettings { steps, lambda, final_lambda, form, .. } = self.settings;
        let unit = self.unit.unit(problem)?;
        let model = Counted::new(&self.model);
        let mut consistency = Projection::new(problem, unit, lambda, final_lambda, form);
        let mut noise = Noise::new(&[stream], image_dim(problem)?, &self.device);
        let mut on_step = |done| report(progress, done, steps);
        let x = self.sampler().sample(&model, &mut consistency, &mut noise, &mut on_step)?;
        let image = bridge::to_images(&x)?.swap_remove(0) * unit;
        Ok(Estimate::plain(image, model.calls()))
    }
}

impl<T, M> Reconstruct<T> for PredictorCorrector<M>
where
    T: Transform<Image = Array2<f32>>,
    M: ScoreModel,
{
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        first(self, problem, seed, progress)
    }
}

/// `(rows, cols)` of the images of a problem.
pub(super) fn image_dim<T: Transform>(problem: &Problem<T>) -> Result<(usize, usize)> {
    match problem.image_shape()[..] {
        [rows, cols] => Ok((rows, cols)),
        ref other => anyhow::bail!("images have two axes, not {}", other.len()),
    }
}
