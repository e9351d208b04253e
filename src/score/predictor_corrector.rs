//! The dissertation's method: a VE predictor-corrector sampler that imposes the measurement at every step.

use super::posterior::{first, report};
use super::{
    Counted, Form, Langevin, Noise, PosteriorSampler, Projection, ReverseDiffusion, Sampler, ScoreModel,
    Stream, UnitRule, Ve, bridge,
};
use anyhow::{Result, ensure};
use candle_core::Device;
use ndarray::Array2;
use recon_operators::{LinearOperator, Problem, Transform};
use recon_pipelines::{Estimate, Progress, Reconstruct, SliceSeed};

/// Settings of [`PredictorCorrector`].
#[derive(Clone, Copy, Debug, PartialEq)]
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

    fn check(&self) -> Result<()> {
        ensure!(self.steps >= 2, "the predictor-corrector sampler needs at least 2 steps");
        ensure!(
            0.0 < self.sigma_min && self.sigma_min < self.sigma_max && self.sigma_max.is_finite(),
            "noise levels must rise from above 0: {} to {} do not",
            self.sigma_min,
            self.sigma_max
        );
        for lambda in [self.lambda, self.final_lambda] {
            ensure!((0.0..=1.0).contains(&lambda), "lambda is between 0 and 1, not {lambda}");
        }
        ensure!(self.snr.is_finite() && self.snr >= 0.0, "snr must not be negative: {}", self.snr);
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
        self.settings.check()
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
