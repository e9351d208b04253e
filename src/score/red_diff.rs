//! A variational point estimate by gradient descent.

use super::posterior::{first, report};
use super::{Counted, Measurement, Noise, PosteriorSampler, Schedule, ScoreModel, Stream, UnitRule, bridge};
use crate::kernels::{Blend, Descent};
use anyhow::{Result, ensure};
use candle_core::{Device, Tensor, Var};
use ndarray::Array2;
use recon_operators::{Problem, Transform};
use recon_pipelines::{Estimate, Progress, Reconstruct, SliceSeed};

/// Settings of [`RedDiff`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RedDiffSettings {
    /// Noise levels of the denoiser, in model units, the largest first.
    pub schedule: Schedule,
    /// Number of levels, of gradient steps and of network calls; the paper takes 1000.
    pub steps: usize,
    /// Adam's step, in model units: how far a pixel moves at most; published runs take 0.1 to 0.5.
    pub learning_rate: f64,
    /// λ, the weight of the denoiser beside `‖y − A μ‖²/(2n²)`. The paper's 0.25 stands beside
    /// `‖y − A μ‖²/2` and is `0.25/n²` here.
    pub weight: f64,
}

/// Memories of Adam's means of the gradient and of its square, as in the paper, and its ε.
const ADAM: (f64, f64, f64) = (0.9, 0.99, 1e-8);

/// RED-diff (Mardani, Song, Kautz and Vahdat, "A Variational Perspective on Solving Inverse Problems with Diffusion
/// Models", 2023, Algorithm 1): the best `N(μ, 0)` for the posterior, by Adam on
///
/// ```text
/// Aᴴ(A μ − y)/n² + λ (μ − D(μ + σ ε; σ)),   ε fresh at every step, D taken as a constant
/// ```
///
/// with `σ` falling. The second term is the paper's `λₜ (ε_θ − ε)` with its `λₜ = λ s/m`, in the variables of a
/// [`ScoreModel`]; no gradient goes through the network. The start is another method's image.
///
/// It is a point estimate: samples differ by what is left of `ε`, and their spread means nothing. Known bias: at
/// one level and for a Gaussian prior of variance `v` the denoiser pulls to its mean with `κ = λσ²/(v + σ²)`, where
/// the posterior mean has `1/v`. They agree for `λ = 1/v + 1/σ²`; with falling `σ` the last levels hardly pull.
///
/// Noise: one draw a step.
pub struct RedDiff<M, T: Transform> {
    /// The prior.
    pub model: M,
    /// How to descend.
    pub settings: RedDiffSettings,
    /// How physical values become the model's.
    pub unit: UnitRule,
    /// Makes the image that the descent starts from.
    pub start: Box<dyn Reconstruct<T> + Send>,
    /// Where the model lives.
    pub device: Device,
}

impl RedDiffSettings {
    fn check(&self, levels: &[f64]) -> Result<()> {
        ensure!(self.steps >= 1, "RED-diff needs at least one step");
        let sound = levels.iter().all(|sigma| *sigma > 0.0 && sigma.is_finite());
        ensure!(sound, "noise levels must be above 0");
        let Self { learning_rate, weight, .. } = *self;
        ensure!(
            learning_rate.is_finite() && learning_rate > 0.0,
            "the learning rate must be above 0: {learning_rate}"
        );
        ensure!(weight.is_finite() && weight >= 0.0, "the weight must not be negative: {weight}");
        Ok(())
    }
}

impl<M: ScoreModel, T: Transform<Image = Array2<f32>>> RedDiff<M, T> {
    fn descend(
        &self,
        model: &dyn ScoreModel,
        measurement: &Measurement<'_, T>,
        start: &Tensor,
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let RedDiffSettings { steps, weight, .. } = self.settings;
        let mean = Var::from_tensor(start)?;
        let mut adam = Adam { first: start.zeros_like()?, second: start.zeros_like()?, steps: 0 };
        for (step, sigma) in self.settings.schedule.levels(steps).into_iter().enumerate() {
            let current = mean.as_detached_tensor();
            let noisy = (&current + (noise.draw()? * sigma)?)?;
            let pull = ((&current - model.denoise(&noisy, sigma)?)? * weight)?;
            let fit = (measurement.back_projected(&current)? / measurement.noise_variance())?;
            adam.step(&mean, &(pull - fit)?, self.settings.learning_rate)?;
            report(progress, step + 1, steps)?;
        }
        Ok(mean.as_detached_tensor())
    }
}

/// Adam (Kingma and Ba 2015) on one tensor.
struct Adam {
    first: Tensor,
    second: Tensor,
    steps: i32,
}

impl Adam {
    fn step(&mut self, at: &Var, gradient: &Tensor, learning_rate: f64) -> candle_core::Result<()> {
        let (beta1, beta2, eps) = ADAM;
        self.steps += 1;
        let (unbias1, unbias2) = (1.0 - beta1.powi(self.steps), 1.0 - beta2.powi(self.steps));
        Blend { kept: beta1, taken: 1.0 - beta1, squared: false }.apply(&mut self.first, gradient)?;
        Blend { kept: beta2, taken: 1.0 - beta2, squared: true }.apply(&mut self.second, gradient)?;
        let rate = learning_rate / unbias1;
        Descent { rate, unbias: 1.0 / unbias2, eps }.apply(at, &self.first, &self.second)
    }
}

impl<T, M> PosteriorSampler<T> for RedDiff<M, T>
where
    T: Transform<Image = Array2<f32>>,
    M: ScoreModel,
{
    type Start = Estimate<Array2<f32>>;

    fn begin(&self, problem: &Problem<T>, seed: SliceSeed, progress: &dyn Progress) -> Result<Self::Start> {
        self.settings.check(&self.settings.schedule.levels(self.settings.steps))?;
        let noise_std = problem.noise.root_mean_square(&problem.mask);
        ensure!(noise_std.is_finite() && noise_std > 0.0, "RED-diff needs to know the noise of the data");
        self.start.reconstruct(problem, seed, progress)
    }

    fn calls(start: &Self::Start) -> usize {
        start.network_calls
    }

    fn sample(
        &self,
        problem: &Problem<T>,
        start: &Self::Start,
        stream: Stream,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let unit = self.unit.unit(problem)?;
        let measurement = Measurement::new(problem, unit);
        let model = Counted::new(&self.model);
        let mut noise = Noise::new(&[stream], start.image.dim(), &self.device);
        let image = bridge::to_tensor(&[&start.image / unit], &self.device)?;
        let x = self.descend(&model, &measurement, &image, &mut noise, progress)?;
        let image = bridge::to_images(&x)?.swap_remove(0) * unit;
        Ok(Estimate::plain(image, model.calls()))
    }
}

impl<T, M> Reconstruct<T> for RedDiff<M, T>
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
