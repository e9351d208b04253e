//! The derivative of a 3x3 convolution by its filters, in Winograd's frequencies.

use super::conv3x3::{Images, block_tiles};
use super::gemm::{SIDE, correlate_rows, correlation_index};
use super::lanes::{LANES, Level};
use super::winograd::{
    Block, FREQUENCIES, Scratch, blocks, gather_filter, transform_gradient, transform_input,
};
use rayon::prelude::*;

/// Into how many sums the blocks are shared out; fixed, so that the result does not depend on the threads.
const PARTS: usize = 8;

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
    let (list, stride) = blocks(images.batch, images.rows, images.cols, block_tiles(inputs + outputs));
    let job = Job { level, x, images, grad, result, stride };
    let parts: Vec<Vec<f32>> =
        list.par_chunks(list.len().div_ceil(PARTS).max(1)).map(|share| job.accumulate(share)).collect();
    let mut sum = vec![0.0; outputs * inputs * 9];
    sum.par_chunks_mut(9).enumerate().for_each(|(at, filter)| {
        let (k, c) = (at / inputs, at % inputs);
        for part in &parts {
            let u = std::array::from_fn(|f| part[job.sum_index(f, k, c)]);
            for (total, v) in filter.iter_mut().zip(gather_filter(&u)) {
                *total += v;
            }
        }
    });
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

    fn sum_index(&self, frequency: usize, k: usize, c: usize) -> usize {
        frequency * self.input_rows() * self.output_rows() + correlation_index(k, c, self.input_rows())
    }

    /// The sums over some blocks, at [`Job::sum_index`].
    fn accumulate(&self, share: &[Block]) -> Vec<f32> {
        let (inputs, outputs) = (self.input_rows(), self.output_rows());
        let mut sums = vec![0.0; FREQUENCIES * inputs * outputs];
        let mut input = vec![0.0; FREQUENCIES * inputs * self.stride];
        let mut output = vec![0.0; FREQUENCIES * outputs * self.stride];
        let mut scratch = Scratch::default();
        for &block in share {
            self.transform(block, &mut scratch, &mut input, &mut output);
            for (f, sums) in sums.chunks_exact_mut(inputs * outputs).enumerate() {
                let a = &output[f * outputs * self.stride..];
                let b = &input[f * inputs * self.stride..];
                // SAFETY: it checks the bounds of its slices.
                unsafe {
                    correlate_rows(self.level, a, outputs, b, inputs, sums, self.stride, block.groups())
                };
            }
        }
        sums
    }

    /// Both sides of a block in frequencies, `[frequency][channel][stride]`, zero behind the last tile.
    fn transform(&self, block: Block, scratch: &mut Scratch, input: &mut [f32], output: &mut [f32]) {
        let size = (self.images.rows, self.images.cols);
        let (inputs, outputs) = (self.input_rows(), self.output_rows());
        for c in 0..self.images.channels {
            let plane = &self.x[self.images.plane(block.image, c)..][..self.images.pixels()];
            let out = &mut input[c * self.stride..];
            // SAFETY: it checks the bounds of its slices.
            unsafe { transform_input(self.level, plane, size, block, scratch, out, inputs * self.stride) };
        }
        for k in 0..self.result.channels {
            let plane = &self.grad[self.result.plane(block.image, k)..][..self.result.pixels()];
            let out = &mut output[k * self.stride..];
            // SAFETY: it checks the bounds of its slices.
            unsafe {
                transform_gradient(self.level, plane, size, block, scratch, out, outputs * self.stride)
            };
        }
        let (tiles, end) = (block.tiles(), block.groups() * LANES);
        // One side is enough for the products to vanish, but stale values may be infinite.
        for row in input.chunks_exact_mut(self.stride).chain(output.chunks_exact_mut(self.stride)) {
            row[tiles..end].fill(0.0);
        }
    }
}

/// `∂L/∂b[k] = Σ ∂L/∂y[k, p]` over the batch and all pixels.
pub(super) fn bias_gradient(grad: &[f32], result: Images) -> Vec<f32> {
    let channel = |k: usize| {
        let planes = (0..result.batch).map(|b| &grad[result.plane(b, k)..][..result.pixels()]);
        planes.map(super::norm::sum).sum::<f64>() as f32
    };
    (0..result.channels).into_par_iter().map(channel).collect()
}
