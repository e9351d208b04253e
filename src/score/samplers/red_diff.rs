//! A variational point estimate by gradient descent.

use super::{Sampler, Start, report};
use crate::kernels::{Blend, Descent};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use crate::score::measure::{Measured, Weighting};
use crate::score::model::Differentiable;
use crate::score::process::{Noise, Schedule};
use anyhow::{Result, ensure};
use candle_core::{Tensor, Var};
use recon_pipelines::{Progress, Refused, Task};
use serde::{Deserialize, Serialize};

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
/// [`crate::score::ScoreModel`]; no gradient goes through the network. The start is another method's image.
///
/// It is a point estimate: samples differ by what is left of `ε`, and their spread means nothing. Known bias: at
/// one level and for a Gaussian prior of variance `v` the denoiser pulls to its mean with `κ = λσ²/(v + σ²)`, where
/// the posterior mean has `1/v`. They agree for `λ = 1/v + 1/σ²`; with falling `σ` the last levels hardly pull.
///
/// Noise: one draw a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RedDiff {
    /// Largest noise level of the denoiser, in model units: that of the first step.
    pub sigma_start: f64,
    /// Smallest noise level, in model units: that of the last step. Levels between are geometric.
    pub sigma_end: f64,
    /// Number of levels, of gradient steps and of network calls; the paper takes 1000.
    pub steps: usize,
    /// Adam's step, in model units: how far a pixel moves at most; published runs take 0.1 to 0.5.
    pub learning_rate: f64,
    /// λ, the weight of the denoiser beside `‖y − A μ‖²/(2n²)`. The paper's 0.25 stands beside
    /// `‖y − A μ‖²/2` and is `0.25/n²` here.
    pub weight: f64,
    /// `n/‖A‖` in model units for data whose noise is not known.
    pub noise_floor: f64,
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

impl Sampler for RedDiff {
    fn sound(&self) -> std::result::Result<(), SettingError> {
        self.check_all()
    }

    fn wants_start(&self) -> bool {
        true
    }

    fn draw(
        &self,
        prior: &dyn Differentiable,
        measured: &dyn Measured,
        start: Start<'_>,
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let told = measured.noise_variance() > 0.0;
        let floor = if told { 0.0 } else { (self.noise_floor * measured.norm()).powi(2) };
        let known = measured.noise_variance() + floor;
        ensure!(
            known.is_finite() && known > 0.0,
            Refused::Usage(
                "red-diff needs to know the noise of the data; give --noise-std or a noise-floor above 0"
                    .to_owned()
            )
        );
        let start = start.image()?;
        let mean = Var::from_tensor(start)?;
        let mut adam = Adam { first: start.zeros_like()?, second: start.zeros_like()?, steps: 0 };
        let schedule = Schedule::Geometric { sigma_min: self.sigma_end, sigma_max: self.sigma_start };
        for (step, sigma) in schedule.levels(self.steps).into_iter().enumerate() {
            let current = mean.as_detached_tensor();
            let noisy = (&current + (noise.draw()? * sigma)?)?;
            let pull = ((&current - prior.denoise(&noisy, sigma)?)? * self.weight)?;
            let fit = measured.pull(&current, Weighting::Likelihood { variance: floor })?;
            adam.step(&mean, &(pull - fit)?, self.learning_rate)?;
            report(progress, step + 1, self.steps)?;
        }
        Ok(mean.as_detached_tensor())
    }
}

impl SamplerSettings for RedDiff {
    const INFO: Info = Info {
        name: "red-diff",
        aliases: &[],
        about: "A variational point estimate by gradient descent with the learned prior",
        source: "Mardani, Song, Kautz and Vahdat 2023",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new("steps", Range::Count(1), "Number of gradient steps, with a network call each"),
            Knob::new("sigma-start", Range::Positive, "Noise level of the first step, in model units"),
            Knob::new("sigma-end", Range::Positive, "Noise level of the last step, in model units"),
            Knob::new(
                "learning-rate",
                Range::Positive,
                "Furthest that a pixel moves in a step, in model units",
            ),
            Knob::new("weight", Range::NotNegative, "Weight of the network relative to the data"),
            Knob::new(
                "noise-floor",
                Range::NotNegative,
                "Noise that is assumed where none is given, in model units times the norm of the operator",
            ),
        ],
        learned: true,
        noise: true,
    };

    fn defaults(task: Task, _given: &Table) -> Self {
        let sigma_start = if task == Task::Mri { 0.3 } else { 0.25 };
        Self { sigma_start, sigma_end: 0.01, steps: 100, learning_rate: 0.02, weight: 1.0, noise_floor: 0.05 }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    fn needs_noise(&self) -> bool {
        self.noise_floor <= 0.0
    }

    fn check(&self) -> std::result::Result<(), SettingError> {
        if self.sigma_end > self.sigma_start {
            let message =
                format!("noise levels must fall: {} to {} do not", self.sigma_start, self.sigma_end);
            return Err(SettingError::new("sigma-start", message));
        }
        Ok(())
    }
}
