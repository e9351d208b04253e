//! The derivative of a 3x3 convolution by its filters, in Winograd's frequencies.

use super::buffer::Buffer;
use super::conv3x3::Images;
use super::gemm::{SIDE, correlate_rows, correlation_index};
use super::lanes::{LANES, Level};
use super::patches::{Block, Plane, Scratch, blocks, row_stride, transform_gradient, transform_input};
use super::winograd::{FREQUENCIES, gather_filter};
use rayon::prelude::*;

/// Numbers in a sum that is worth holding several times.
const SMALL_SUM: usize = 1 << 16;
/// Tiles that are multiplied at a time: adding up the lanes of a product costs as much as many products, so
/// that long rows pay for many channels, even where they leave the second-level cache.
fn tiles(channels: usize) -> usize {
    if channels <= 64 { 128 } else { 192 }
}

/// Into how many sums the blocks are shared out; it depends on the sizes alone, and so does the result.
fn parts(inputs: usize, outputs: usize) -> usize {
    if FREQUENCIES * inputs * outputs <= SMALL_SUM { 8 } else { 2 }
}

/// `∂L/∂w[k, c, i, j] = Σ ∂L/∂y[k, p] x[c, p + (i, j) − 1]`, as `[outputs, inputs, 3, 3]`.
///
/// `x` has `images.channels` channels, `grad` has `outputs`. The same bits for any number of threads.
pub(super) fn filter_gradient(
    level: Level,
    x: &[f32],
    images: Images,
    grad: &[f32],
    outputs: usize,
) -> Vec<f32> {
    let result = images.with_channels(outputs);
    assert!(x.len() == images.len() && grad.len() == result.len());
    let inputs = images.channels;
    let target = tiles(inputs + outputs);
    let (list, stride) = blocks(images.batch, images.rows, images.cols, target);
    // Room for several small images.
    let stride = stride.max(row_stride(target));
    let job = Job { level, x, images, grad, result, stride };
    let share = list.len().div_ceil(parts(inputs, outputs)).max(1);
    let parts: Vec<Vec<f32>> = list.par_chunks(share).map(|share| job.accumulate(share)).collect();
    let Some(sums) = parts.into_iter().reduce(add) else { return vec![0.0; outputs * inputs * 9] };
    let mut gradient = vec![0.0; outputs * inputs * 9];
    let plane = sums.len() / FREQUENCIES;
    gradient.par_chunks_mut(9 * inputs).enumerate().for_each(|(k, filters)| {
        for (c, filter) in filters.chunks_exact_mut(9).enumerate() {
            let at = correlation_index(k, c, job.input_rows());
            let u = std::array::from_fn(|f| sums[f * plane + at]);
            filter.copy_from_slice(&gather_filter(&u));
        }
    });
    gradient
}

fn add(mut sum: Vec<f32>, part: Vec<f32>) -> Vec<f32> {
    sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    sum
}

struct Job<'a> {
    level: Level,
    x: &'a [f32],
    images: Images,
    grad: &'a [f32],
    result: Images,
    stride: usize,
}

impl Job<'_> {
    fn input_rows(&self) -> usize {
        self.images.channels.next_multiple_of(SIDE)
    }

    fn output_rows(&self) -> usize {
        self.result.channels.next_multiple_of(SIDE)
    }

    /// The sums over some blocks: a plane of [`correlate_rows`] for each frequency.
    fn accumulate(&self, share: &[Block]) -> Vec<f32> {
        let (inputs, outputs) = (self.input_rows(), self.output_rows());
        let mut sums = vec![0.0; FREQUENCIES * inputs * outputs];
        let mut input = Buffer::zeros(FREQUENCIES * inputs * self.stride);
        let mut output = Buffer::zeros(FREQUENCIES * outputs * self.stride);
        let mut scratch = Scratch::default();
        let mut rest = share;
        while !rest.is_empty() {
            let (run, later) = rest.split_at(self.fitting(rest));
            rest = later;
            let mut tiles = 0;
            for &block in run {
                self.transform(block, &mut scratch, &mut input[tiles..], &mut output[tiles..]);
                tiles += block.tiles();
            }
            let groups = tiles.div_ceil(LANES);
            // One side is enough for the products to vanish, but stale values may be infinite.
            for row in input.chunks_exact_mut(self.stride).chain(output.chunks_exact_mut(self.stride)) {
                row[tiles..groups * LANES].fill(0.0);
            }
            sums.par_chunks_exact_mut(inputs * outputs).enumerate().for_each(|(f, sums)| {
                let a = &output[f * outputs * self.stride..];
                let b = &input[f * inputs * self.stride..];
                // SAFETY: it checks the bounds of its slices.
                unsafe { correlate_rows(self.level, a, outputs, b, inputs, sums, self.stride, groups) };
            });
        }
        sums
    }

    /// How many of the first blocks fit side by side: small images share their vectors.
    fn fitting(&self, blocks: &[Block]) -> usize {
        let mut tiles = 0;
        let fits = |b: &&Block| {
            tiles += b.tiles();
            tiles + LANES <= self.stride
        };
        blocks.iter().take_while(fits).count().max(1)
    }

    /// Both sides of a block in frequencies, `[frequency][channel][stride]`.
    fn transform(&self, block: Block, scratch: &mut Scratch, input: &mut [f32], output: &mut [f32]) {
        let Images { rows, cols, .. } = self.images;
        let (inputs, outputs) = (self.input_rows(), self.output_rows());
        for c in 0..self.images.channels {
            let values = &self.x[self.images.plane(block.image, c)..][..self.images.pixels()];
            let plane = Plane { values, rows, cols, curve: None };
            let out = &mut input[c * self.stride..];
            // SAFETY: it checks the bounds of its slices.
            unsafe { transform_input(self.level, plane, block, scratch, out, inputs * self.stride) };
        }
        for k in 0..self.result.channels {
            let values = &self.grad[self.result.plane(block.image, k)..][..self.result.pixels()];
            let plane = Plane { values, rows, cols, curve: None };
            let out = &mut output[k * self.stride..];
            // SAFETY: it checks the bounds of its slices.
            unsafe {
                transform_gradient(self.level, plane, block, scratch, out, outputs * self.stride);
            };
        }
    }
}

/// `∂L/∂b[k] = Σ ∂L/∂y[k, p]` over the batch and all pixels.
pub(super) fn bias_gradient(level: Level, grad: &[f32], result: Images) -> Vec<f32> {
    let channel = |k: usize| {
        let planes = (0..result.batch).map(|b| &grad[result.plane(b, k)..][..result.pixels()]);
        planes.map(|plane| super::norm::sum(level, plane)).sum::<f64>() as f32
    };
    (0..result.channels).into_par_iter().map(channel).collect()
}
