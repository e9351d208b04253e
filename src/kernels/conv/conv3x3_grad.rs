//! The derivative of a 3x3 convolution by its filters, in Winograd's frequencies.

use crate::kernels::conv::conv3x3::Input;
use crate::kernels::conv::gemm::{SIDE, correlate_rows, correlation_index};
use crate::kernels::conv::patches::{
    Block, Scratch, blocks, row_stride, transform_gradient, transform_input,
};
use crate::kernels::conv::winograd::{FREQUENCIES, gather_filters};
use crate::kernels::images::Images;
use crate::kernels::simd::buffer::Buffer;
use crate::kernels::simd::lanes::{LANES, Level};
use rayon::prelude::*;

/// Tiles that are multiplied at a time: adding up the lanes of a product costs as much as many products, so
/// that long rows pay for many channels, even where they leave the second-level cache.
fn tiles(channels: usize) -> usize {
    if channels <= 64 { 128 } else { 192 }
}

/// `∂L/∂w[k, c, i, j] = Σ ∂L/∂y[k, p] x[c, p + (i, j) − 1]`, as `[outputs, inputs, 3, 3]`.
///
/// `grad` has `outputs` channels. The same bits for any number of threads.
pub(in crate::kernels) fn filter_gradient(
    level: Level,
    input: Input<'_>,
    grad: &[f32],
    outputs: usize,
) -> Vec<f32> {
    let images = input.parts.images;
    let result = images.with_channels(outputs);
    let inputs = images.channels;
    let target = tiles(inputs + outputs);
    let (list, stride) = blocks(images.batch, images.rows, images.cols, target);
    // Room for several small images.
    let stride = stride.max(row_stride(target));
    let grad = Input::plain(grad, result);
    let job = Job { level, input, grad, stride };
    let sums = job.accumulate(&list);
    let mut gradient = vec![0.0; outputs * inputs * 9];
    let plane = sums.len() / FREQUENCIES;
    gradient.par_chunks_mut(9 * inputs * SIDE).enumerate().for_each(|(i, filters)| {
        for j in 0..inputs.div_ceil(SIDE) {
            // A square of correlations lies together.
            let at = correlation_index(i * SIDE, j * SIDE, job.input_rows());
            let mut u = [[0.0; SIDE * SIDE]; FREQUENCIES];
            for (f, u) in u.iter_mut().enumerate() {
                u.copy_from_slice(&sums[f * plane + at..][..SIDE * SIDE]);
            }
            let taps = gather_filters(&u);
            for (k, filters) in filters.chunks_exact_mut(9 * inputs).enumerate() {
                for (c, filter) in filters.chunks_exact_mut(9).enumerate().skip(j * SIDE).take(SIDE) {
                    let at = correlation_index(k, c - j * SIDE, SIDE);
                    for (value, tap) in filter.iter_mut().zip(&taps) {
                        *value = tap[at];
                    }
                }
            }
        }
    });
    gradient
}

struct Job<'a> {
    level: Level,
    input: Input<'a>,
    grad: Input<'a>,
    stride: usize,
}

impl Job<'_> {
    fn input_rows(&self) -> usize {
        self.input.channels().next_multiple_of(SIDE)
    }

    fn output_rows(&self) -> usize {
        self.grad.channels().next_multiple_of(SIDE)
    }

    /// The sums over the blocks: a plane of [`correlate_rows`] for each frequency.
    fn accumulate(&self, mut blocks: &[Block]) -> Vec<f32> {
        let (inputs, outputs) = (self.input_rows(), self.output_rows());
        let mut sums = vec![0.0; FREQUENCIES * inputs * outputs];
        let mut input = Buffer::new(inputs * FREQUENCIES * self.stride);
        let mut output = Buffer::new(outputs * FREQUENCIES * self.stride);
        // Channels that only fill up the last square.
        input[self.input.channels() * FREQUENCIES * self.stride..].fill(0.0);
        output[self.grad.channels() * FREQUENCIES * self.stride..].fill(0.0);
        while !blocks.is_empty() {
            let (run, later) = blocks.split_at(self.fitting(blocks));
            blocks = later;
            self.transform::<6>(run, &self.input, &mut input);
            self.transform::<4>(run, &self.grad, &mut output);
            let groups = run.iter().map(Block::tiles).sum::<usize>().div_ceil(LANES);
            sums.par_chunks_exact_mut(inputs * outputs).enumerate().for_each(|(f, sums)| {
                let (a, b) = (&output[f * self.stride..], &input[f * self.stride..]);
                let stride = FREQUENCIES * self.stride;
                // SAFETY: it checks the bounds of its slices.
                unsafe { correlate_rows(self.level, a, outputs, b, inputs, sums, stride, groups) };
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

    /// Blocks side by side in frequencies, `[channel][frequency][stride]`, as patches of a convolution's input
    /// (`IN = 6`) or as tiles of its result (`IN = 4`).
    fn transform<const IN: usize>(&self, blocks: &[Block], from: &Input<'_>, to: &mut [f32]) {
        let size = FREQUENCIES * self.stride;
        to.par_chunks_exact_mut(size).take(from.channels()).enumerate().for_each_init(
            Scratch::default,
            |scratch, (channel, to)| {
                let mut tiles = 0;
                for &block in blocks {
                    let (plane, to) = (from.plane(block.image, channel), &mut to[tiles..]);
                    // SAFETY: both check the bounds of their slices.
                    unsafe {
                        if IN == 6 {
                            transform_input(self.level, plane, block, scratch, to, self.stride);
                        } else {
                            transform_gradient(self.level, plane, block, scratch, to, self.stride);
                        }
                    }
                    tiles += block.tiles();
                }
                // One side is enough for the products to vanish, but stale values may be infinite.
                for row in to.chunks_exact_mut(self.stride) {
                    row[tiles..tiles.next_multiple_of(LANES)].fill(0.0);
                }
            },
        );
    }
}

/// `∂L/∂b[k] = Σ ∂L/∂y[k, p]` over the batch and all pixels.
pub(in crate::kernels) fn bias_gradient(level: Level, grad: &[f32], result: Images) -> Vec<f32> {
    let channel = |k: usize| {
        let planes = (0..result.batch).map(|b| &grad[result.plane(b, k)..][..result.pixels()]);
        planes.map(|plane| crate::kernels::norm::sum(level, plane)).sum::<f64>() as f32
    };
    (0..result.channels).into_par_iter().map(channel).collect()
}
