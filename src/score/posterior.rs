//! Several samples of one posterior, and what to make of them.

use super::Stream;
use anyhow::{Result, ensure};
use ndarray::{Array2, Axis, stack};
use recon_operators::{Problem, Transform};
use recon_pipelines::{Estimate, Map, Progress, Reconstruct, SliceSeed};

/// The user asked to stop, see [`Progress::cancelled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl std::fmt::Display for Cancelled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {}

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

/// Which image stands for several samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PointEstimate {
    /// Their mean: the least squared error.
    #[default]
    Mean,
    /// The first of them: the texture of a single one.
    Sample,
    /// Their voxelwise median.
    Median,
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

fn point_estimate(images: &[Array2<f32>], estimate: PointEstimate) -> Result<Array2<f32>> {
    match estimate {
        PointEstimate::Sample => Ok(images[0].clone()),
        PointEstimate::Mean => per_voxel(images, |values| mean(values) as f32),
        PointEstimate::Median => per_voxel(images, |values| quantile(values, 0.5)),
    }
}

/// The spread of several images, so many times as wide about their mean.
fn maps(images: &[Array2<f32>], widening: f64) -> Result<Vec<(Map, Array2<f32>)>> {
    let widened = |share: f64| {
        per_voxel(images, |values| {
            let centre = mean(values);
            (centre + widening * (f64::from(quantile(values, share)) - centre)) as f32
        })
    };
    let std = deviation(images)? * widening as f32;
    Ok(vec![(Map::Std, std), (Map::Low, widened(0.05)?), (Map::High, widened(0.95)?)])
}

/// The quantile at this `share`, linear between the sorted values (definition 7 of Hyndman and Fan, The American
/// Statistician 50, 1996).
fn quantile(values: &mut [f32], share: f64) -> f32 {
    values.sort_by(f32::total_cmp);
    let at = share * (values.len() - 1) as f64;
    let (below, above) = (values[at.floor() as usize], values[at.ceil() as usize]);
    below + (above - below) * at.fract() as f32
}

/// Standard deviation with `K − 1` in the denominator.
fn deviation(images: &[Array2<f32>]) -> Result<Array2<f32>> {
    per_voxel(images, |values| {
        let centre = mean(values);
        let squares: f64 = values.iter().map(|&v| (f64::from(v) - centre).powi(2)).sum();
        (squares / (values.len() - 1) as f64).sqrt() as f32
    })
}

fn per_voxel(images: &[Array2<f32>], reduce: impl Fn(&mut [f32]) -> f32) -> Result<Array2<f32>> {
    let views: Vec<_> = images.iter().map(|image| image.view()).collect();
    let together = stack(Axis(2), &views)?;
    Ok(together.map_axis(Axis(2), |values| reduce(&mut values.to_vec())))
}

fn mean(values: &[f32]) -> f64 {
    values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn point_estimates_and_deviation_of_known_numbers() {
        let images: Vec<_> = [1.0, 9.0, 2.0, 4.0].map(|v: f32| array![[v, -v]]).to_vec();
        assert_eq!(point_estimate(&images, PointEstimate::Mean).unwrap(), array![[4.0, -4.0]]);
        assert_eq!(point_estimate(&images, PointEstimate::Median).unwrap(), array![[3.0, -3.0]]);
        assert_eq!(point_estimate(&images[..3], PointEstimate::Median).unwrap(), array![[2.0, -2.0]]);
        assert_eq!(point_estimate(&images, PointEstimate::Sample).unwrap(), images[0]);
        let found =
            |kind| maps(&images, 1.0).unwrap().into_iter().find(|(map, _)| *map == kind).unwrap().1[[0, 0]];
        // Of 1, 2, 4, 9: 15 % of the way from the first to the second, 85 % from the third to the last.
        assert!((found(Map::Low) - 1.15).abs() < 1e-5 && (found(Map::High) - 8.25).abs() < 1e-5);
        let expected = (38.0f32 / 3.0).sqrt();
        assert!((deviation(&images).unwrap()[[0, 1]] - expected).abs() < 1e-6);
        // Twice as far from 4.
        let wide: Vec<f32> = maps(&images, 2.0).unwrap().iter().map(|(_, image)| image[[0, 0]]).collect();
        for (wide, expected) in wide.iter().zip([2.0 * expected, -1.7, 12.5]) {
            assert!((wide - expected).abs() < 1e-5, "{wide} is not {expected}");
        }
    }
}
