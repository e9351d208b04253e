//! What all samplers have in common.

use crate::knobs::{Knob, Range, SettingError};
use crate::score::measure::Measured;
use crate::score::model::Differentiable;
use crate::score::moves::{Churn, Descent, LevelMethod};
use crate::score::process::{Noise, Schedule};
use anyhow::{Result, bail};
use candle_core::Tensor;
use recon_pipelines::{Cancelled, Progress};

/// Draws an image from what a prior and a measurement leave open, or finds the best one.
pub trait Sampler: Send + Sync {
    /// Whether it begins with another method's image.
    fn wants_start(&self) -> bool {
        false
    }

    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// Names one of them.
    fn sound(&self) -> Result<(), SettingError> {
        Ok(())
    }

    /// An image `[1, channel, row, col]` in model units. Noise is drawn from `noise` alone.
    ///
    /// # Errors
    /// When the model, the measurement or the noise fails, or the user stopped it ([`Cancelled`]).
    fn draw(
        &self,
        prior: &dyn Differentiable,
        measured: &dyn Measured,
        start: Start<'_>,
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor>;
}

/// The image that a sampler begins with.
#[derive(Clone, Copy)]
pub struct Start<'a>(
    /// `[1, channel, row, col]`, for those that [want](Sampler::wants_start) one.
    pub Option<&'a Tensor>,
);

impl<'a> Start<'a> {
    /// The image.
    pub(super) fn image(self) -> Result<&'a Tensor> {
        match self.0 {
            Some(image) => Ok(image),
            None => bail!("this sampler begins with an image, and none was given"),
        }
    }
}

/// The lowest of the noise levels.
pub(super) const SIGMA_MIN: Knob =
    Knob::new("sigma-min", Range::Positive, "Lowest noise level [default: the model's]");

/// The highest.
pub(super) const SIGMA_MAX: Knob =
    Knob::new("sigma-max", Range::Positive, "Noise level of the start [default: the model's]");

/// How much a likelihood of noisy images is blunted.
pub(super) const COEFFICIENT: Knob = Knob::new(
    "coefficient",
    Range::Positive,
    "Share of the image's noise that counts as additional noise of the data",
);

/// Where time ends for VE processes, as published.
pub(super) const T_END: f64 = 1e-5;

/// Reports one more step, and fails with [`Cancelled`] when the user wants to stop.
pub(in crate::score) fn report(progress: &dyn Progress, done: usize, steps: usize) -> Result<()> {
    progress.step(done, steps);
    if progress.cancelled() { Err(Cancelled.into()) } else { Ok(()) }
}

/// Refuses noise levels that do not rise.
pub(super) fn falling(sigma_min: f64, sigma_max: f64) -> Result<(), SettingError> {
    if sigma_min < sigma_max {
        return Ok(());
    }
    let message = format!("noise levels must rise from sigma-min: {sigma_min} to {sigma_max} do not");
    Err(SettingError::new("sigma-max", message))
}

/// Heun's method over so many levels and down to 0, with as much fresh noise as Karras et al. (2022) take for images.
pub(super) fn descent(steps: usize, (sigma_min, sigma_max): (f64, f64)) -> Descent {
    let mut levels = Schedule::Karras { sigma_min, sigma_max, rho: 7.0 }.levels(steps);
    levels.push(0.0);
    let churn = Churn { amount: 40.0, sigma_min: 0.05, sigma_max: f64::INFINITY, inflation: 1.0 };
    Descent { levels, method: LevelMethod::Heun(Some(churn)) }
}

/// The progress of one of several equal parts.
pub(crate) struct Part<'a> {
    pub(crate) whole: &'a dyn Progress,
    pub(crate) index: usize,
    pub(crate) parts: usize,
}

impl Progress for Part<'_> {
    fn step(&self, done: usize, steps: usize) {
        self.whole.step(self.index * steps + done, self.parts * steps);
    }
    fn calls(&self, calls: usize) {
        self.whole.calls(calls);
    }
    fn cancelled(&self) -> bool {
        self.whole.cancelled()
    }
}
