//! A sampler with a prior, as a method that reconstructs.

use super::Trial;
use super::spread::{maps, point_estimate};
use crate::score::ScoreModel;
use crate::score::measure::{Bridged, Measured, UnitRule, bridge};
use crate::score::model::{Counted, Differentiable};
use crate::score::process::{Noise, Stream};
use crate::score::samplers::{Part, Sampler, Start};
use crate::settings::PointEstimate;
use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use recon_operators::{Field, Picture, Problem, Transform};
use recon_pipelines::{Estimate, Progress, Quiet, Reconstruct, SliceSeed};

/// Draws images by a sampler and reports one that stands for them, with the spread of several.
///
/// This is all that there is between a [`Problem`] on arrays in physical units and a [`Sampler`] on tensors in model units:
/// unit and operator norm are found once a slice, the start once for all samples, every sample has a stream of its own, and
/// network calls are counted.
pub struct Sampled<M, T: Transform> {
    /// The prior.
    pub model: M,
    /// What draws.
    pub sampler: Box<dyn Sampler>,
    /// How physical values become the model's.
    pub unit: UnitRule,
    /// Makes the image that sampling starts from.
    pub start: Option<Box<dyn Reconstruct<T> + Send>>,
    /// `K`, at least 1.
    pub samples: usize,
    /// Which image to report.
    pub estimate: PointEstimate,
    /// `c`, how much wider than its samples the posterior is: standard deviation and quantiles are reported as those of
    /// `x̂ + c (x − x̂)`, with the mean `x̂` of the samples. 1 where the samples are the posterior's.
    pub widening: f64,
    /// How results are tried, with one more call.
    pub trial: Option<Trial>,
    /// Where the model lives.
    pub device: Device,
}

/// What all samples of a slice share.
struct Slice<'a, T: Transform> {
    measured: Bridged<'a, T>,
    unit: f32,
    start: Option<Tensor>,
}

impl<M: Differentiable, T: Transform<Image: Picture>> Sampled<M, T> {
    /// One sample by `sampler`, which is not tried.
    pub fn new(model: M, sampler: impl Sampler + 'static, unit: UnitRule, device: Device) -> Self {
        let (estimate, start, trial) = (PointEstimate::Mean, None, None);
        Self {
            model,
            sampler: Box::new(sampler),
            unit,
            start,
            samples: 1,
            estimate,
            widening: 1.0,
            trial,
            device,
        }
    }

    /// The same, started from another method's image.
    #[must_use]
    pub fn from(self, start: impl Reconstruct<T> + Send + 'static) -> Self {
        Self { start: Some(Box::new(start)), ..self }
    }

    /// The slice in model units, and the network calls of its start.
    fn slice<'a>(
        &self,
        problem: &'a Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<(Slice<'a, T>, usize)> {
        let (mut calls, mut start) = (0, None);
        if let (true, Some(method)) = (self.sampler.wants_start(), &self.start) {
            let found = method.reconstruct(problem, seed, progress)?;
            calls = found.network_calls;
            start = Some(found.image);
        }
        let unit = self.unit.unit(problem)?;
        let start = start.map(|image| bridge::to_tensor(&[image], &self.device)).transpose()?;
        let start = start.map(|image| in_units(&image, unit)).transpose()?;
        Ok((Slice { measured: Bridged::new(problem, unit), unit, start }, calls))
    }

    fn draw(
        &self,
        slice: &Slice<'_, T>,
        stream: Stream,
        progress: &dyn Progress,
    ) -> Result<(T::Image, usize)> {
        let model = Counted::new(&self.model);
        let [channels, rows, cols] = slice.measured.image_dims();
        let mut noise = Noise::with_channels(&[stream], (channels, rows, cols), &self.device);
        let start = Start(slice.start.as_ref());
        let calling = Calling { model: &model, progress };
        let x = self.sampler.draw(&model, &slice.measured, start, &mut noise, &calling)?;
        let mut image: T::Image = bridge::to_pictures(&x)?.swap_remove(0);
        image.scale(slice.unit);
        Ok((image, model.calls()))
    }
}

/// Physical values divided by the unit.
fn in_units(image: &Tensor, unit: f32) -> candle_core::Result<Tensor> {
    image.broadcast_div(&Tensor::new(unit, image.device())?)
}

impl<M: Differentiable, T: Transform<Image: Picture>> Reconstruct<T> for Sampled<M, T> {
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<T::Image>> {
        ensure!(self.samples > 0, "at least one sample must be drawn");
        self.sampler.sound()?;
        // A start is worth a part of the bar when it is one of many.
        let parts = if self.samples > 1 { self.samples + 1 } else { 1 };
        let (slice, mut network_calls) = match parts {
            1 => self.slice(problem, seed, &Quiet(progress))?,
            _ => self.slice(problem, seed, &Part { whole: progress, index: 0, parts })?,
        };
        let mut images = Vec::with_capacity(self.samples);
        for sample in 0..self.samples {
            let part = Part { whole: progress, index: parts - self.samples + sample, parts };
            let stream = Stream { slice: seed, sample: sample as u64 };
            let (image, calls) = self.draw(&slice, stream, &part)?;
            network_calls += calls;
            images.push(image);
        }
        let maps = if images.len() > 1 { maps(&images, self.widening)? } else { Vec::new() };
        let image = point_estimate(&images, self.estimate)?;
        let mut typicality = None;
        if let Some(trial) = &self.trial {
            let mut shown = image.clone();
            shown.scale(1.0 / slice.unit);
            typicality = Some(trial.of(&self.model, &shown, seed, &self.device)?);
            network_calls += 1;
        }
        Ok(Estimate { maps, typicality, ..Estimate::plain(image, network_calls) })
    }
}

/// Says how many calls were made at every step.
struct Calling<'a, M> {
    model: &'a Counted<M>,
    progress: &'a dyn Progress,
}

impl<M: ScoreModel> Progress for Calling<'_, M> {
    fn step(&self, done: usize, steps: usize) {
        self.progress.calls(self.model.calls());
        self.progress.step(done, steps);
    }
    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}
