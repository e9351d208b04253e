//! Several samples of one posterior, and what to make of them.

use super::Stream;
use super::spread::{maps, point_estimate};
use crate::settings::PointEstimate;
use anyhow::{Result, ensure};
use ndarray::Array2;
use recon_operators::{Problem, Transform};
use recon_pipelines::{Cancelled, Estimate, Progress, Reconstruct, SliceSeed};

/// Reports one more step, and fails with [`Cancelled`] when the user wants to stop.
pub(super) fn report(progress: &dyn Progress, done: usize, steps: usize) -> Result<()> {
    progress.step(done, steps);
    if progress.cancelled() { Err(Cancelled.into()) } else { Ok(()) }
}

/// A method that draws images from a posterior.
pub trait PosteriorSampler<T: Transform>: Sync {
    /// What all samples of a problem start from.
    type Start;

    /// Finds what all samples start from; draws from no sample's numbers.
    ///
    /// # Errors
    /// When the method cannot run or was [`Cancelled`].
    fn begin(&self, problem: &Problem<T>, seed: SliceSeed, progress: &dyn Progress) -> Result<Self::Start>;

    /// Network calls that went into a start.
    fn calls(start: &Self::Start) -> usize;

    /// The sample with this number; calls are its own, without those of the start. The same number gives the same image, however many are drawn.
    ///
    /// # Errors
    /// When the method cannot run or was [`Cancelled`].
    fn sample(
        &self,
        problem: &Problem<T>,
        start: &Self::Start,
        stream: Stream,
        progress: &dyn Progress,
    ) -> Result<Estimate<T::Image>>;
}

/// Draws `samples` images and reports a point estimate, the voxelwise standard deviation and quantiles.
pub struct Posterior<M> {
    /// What draws them.
    pub method: M,
    /// `K`, at least 1.
    pub samples: usize,
    /// Which image to report.
    pub estimate: PointEstimate,
    /// `c`, how much wider than its samples the posterior is: standard deviation and quantiles are reported as those of
    /// `x̂ + c (x − x̂)`, with the mean `x̂` of the samples. 1 where the samples are the posterior's.
    pub widening: f64,
}

impl<T, M> Reconstruct<T> for Posterior<M>
where
    T: Transform<Image = Array2<f32>>,
    M: PosteriorSampler<T>,
{
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        ensure!(self.samples > 0, "at least one sample must be drawn");
        let mut images = Vec::with_capacity(self.samples);
        // A start is worth a part of the bar when it is one of many.
        let parts = if self.samples > 1 { self.samples + 1 } else { 1 };
        let start = match parts {
            1 => self.method.begin(problem, seed, &Quiet(progress))?,
            _ => self.method.begin(problem, seed, &Part { whole: progress, index: 0, parts })?,
        };
        let mut network_calls = M::calls(&start);
        for sample in 0..self.samples {
            let part = Part { whole: progress, index: parts - self.samples + sample, parts };
            let stream = Stream { slice: seed, sample: sample as u64 };
            let drawn = self.method.sample(problem, &start, stream, &part)?;
            network_calls += drawn.network_calls;
            images.push(drawn.image);
        }
        let maps = if images.len() > 1 { maps(&images, self.widening)? } else { Vec::new() };
        Ok(Estimate { maps, ..Estimate::plain(point_estimate(&images, self.estimate)?, network_calls) })
    }
}

/// The first sample of a method.
///
/// # Errors
/// As the method's.
pub(super) fn first<T: Transform, M: PosteriorSampler<T>>(
    method: &M,
    problem: &Problem<T>,
    seed: SliceSeed,
    progress: &dyn Progress,
) -> Result<Estimate<T::Image>> {
    let start = method.begin(problem, seed, &Quiet(progress))?;
    let mut estimate = method.sample(problem, &start, Stream { slice: seed, sample: 0 }, progress)?;
    estimate.network_calls += M::calls(&start);
    Ok(estimate)
}

/// The progress of one of several equal parts.
pub(super) struct Part<'a> {
    pub(super) whole: &'a dyn Progress,
    pub(super) index: usize,
    pub(super) parts: usize,
}

impl Progress for Part<'_> {
    fn step(&self, done: usize, steps: usize) {
        self.whole.step(self.index * steps + done, self.parts * steps);
    }
    fn cancelled(&self) -> bool {
        self.whole.cancelled()
    }
}

/// Passes on the wish to stop but not the steps: for the method that makes another one's start image.
pub(super) struct Quiet<'a>(pub(super) &'a dyn Progress);

impl Progress for Quiet<'_> {
    fn step(&self, _done: usize, _steps: usize) {}
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
