//! 1x1 convolution: a matrix product in every pixel.

use crate::kernels::conv::gemm::{
    PANEL, SIDE, correlate_rows, correlation_index, pack_panels, panel_product,
};
use crate::kernels::images::Images;
use crate::kernels::parts::{Parts, repeat_each};
use crate::kernels::simd::buffer::Buffer;
use crate::kernels::simd::lanes::{LANES, Lanes, Level, dispatch};
use crate::kernels::simd::shared::{share_out, written};
use rayon::prelude::*;

/// Pixels that are worked on together.
const BLOCK: usize = 240;
/// Into how many sums the pixels are shared out; fixed, for the same bits with any number of threads.
const PARTS: usize = 8;

/// A matrix in panels, for [`conv1x1`].
pub(in crate::kernels) struct PackedMatrix {
    panels: Vec<f32>,
    pub(in crate::kernels) inputs: usize,
    pub(in crate::kernels) outputs: usize,
}

impl PackedMatrix {
    /// For `y = w x`, `w` being `[outputs, inputs]`.
    pub(in crate::kernels) fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self { panels: pack_panels(outputs, inputs, |k, c| weight[k * inputs + c]), inputs, outputs }
    }

    /// For the adjoint, from `outputs` channels back to `inputs`.
    pub(in crate::kernels) fn adjoint(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        let panels = pack_panels(inputs, outputs, |c, k| weight[k * inputs + c]);
        Self { panels, inputs: outputs, outputs: inputs }
    }
}

/// A run of pixels of one image.
#[derive(Clone, Copy)]
struct Span {
    image: usize,
    from: usize,
    count: usize,
}

fn spans(images: Images) -> Vec<Span> {
    let pixels = images.pixels();
    let of_image = |image| {
        (0..pixels).step_by(BLOCK).map(move |from| Span { image, from, count: BLOCK.min(pixels - from) })
    };
    (0..images.batch).flat_map(of_image).collect()
}

impl Span {
    fn groups(&self) -> usize {
        self.count.div_ceil(LANES)
    }

    /// `[channel][BLOCK]`, zero behind the last pixel.
    fn gather(&self, x: Parts<'_>, out: &mut [f32]) {
        for (c, row) in out.chunks_exact_mut(BLOCK).take(x.images.channels).enumerate() {
            let plane = x.plane(self.image, c);
            if plane.doubled {
                self.gather_doubled(plane.values, x.images.cols, row);
            } else {
                row[..self.count].copy_from_slice(&plane.values[self.from..self.from + self.count]);
            }
            row[self.count..].fill(0.0);
        }
    }

    /// The pixels of a plane of twice the size, line by line.
    fn gather_doubled(&self, small: &[f32], cols: usize, row: &mut [f32]) {
        let mut at = 0;
        while at < self.count {
            let (line, col) = ((self.from + at) / cols, (self.from + at) % cols);
            let count = (cols - col).min(self.count - at);
            let source = &small[line / 2 * (cols / 2)..][col / 2..=(col + count - 1) / 2];
            repeat_each(source, col % 2 == 1, &mut row[at..at + count]);
            at += count;
        }
    }
}

/// `y = w x + b` in every pixel; `bias` is empty or has one number an output channel.
pub(in crate::kernels) fn conv1x1(
    level: Level,
    x: Parts<'_>,
    matrix: &PackedMatrix,
    bias: &[f32],
) -> Vec<f32> {
    assert_eq!(x.images.channels, matrix.inputs);
    let result = x.images.with_channels(matrix.outputs);
    let buffers = || (Buffer::new(matrix.inputs * BLOCK), Buffer::new(PANEL * BLOCK));
    // SAFETY: the spans cover the images and the panels the output channels; none share a pixel.
    unsafe {
        written(result.len(), |y| {
            share_out(&spans(x.images), buffers, |(input, product), span| {
                span.gather(x, input);
                for (panel, u) in matrix.panels.chunks_exact(PANEL * matrix.inputs).enumerate() {
                    multiply(level, u, input, product, span.groups());
                    for (k, row) in (panel * PANEL..matrix.outputs).zip(product.chunks_exact(BLOCK)) {
                        let bias = bias.get(k).copied().unwrap_or(0.0);
                        let row = row[..span.count].iter().map(|v| v + bias);
                        y.write(result.plane(span.image, k) + span.from, row);
                    }
                }
            });
        })
    }
}

#[inline(always)]
unsafe fn multiply_of<V: Lanes>(u: &[f32], v: &[f32], m: &mut [f32], groups: usize) {
    let depth = u.len() / PANEL;
    assert!(v.len() >= depth * BLOCK && m.len() >= PANEL * BLOCK && groups * LANES <= BLOCK);
    // SAFETY: the assertion bounds all three.
    unsafe { panel_product::<V>(u.as_ptr(), v.as_ptr(), m.as_mut_ptr(), BLOCK, depth, groups) }
}
dispatch!(multiply => multiply_of(u: &[f32], v: &[f32], m: &mut [f32], groups: usize));

/// `∂L/∂w[k, c] = Σ ∂L/∂y[k, p] x[c, p]`, as `[outputs, inputs]`.
pub(in crate::kernels) fn matrix_gradient(
    level: Level,
    x: &[f32],
    images: Images,
    grad: &[f32],
    outputs: usize,
) -> Vec<f32> {
    let result = images.with_channels(outputs);
    assert!(x.len() == images.len() && grad.len() == result.len());
    let (columns, rows) = (images.channels.next_multiple_of(SIDE), outputs.next_multiple_of(SIDE));
    let (x, grad) = (Parts::whole(x, images), Parts::whole(grad, result));
    let accumulate = |share: &[Span]| {
        let mut sums = vec![0.0; rows * columns];
        let (mut input, mut output) = (Buffer::new(columns * BLOCK), Buffer::new(rows * BLOCK));
        for span in share {
            span.gather(x, &mut input);
            span.gather(grad, &mut output);
            // SAFETY: it checks the bounds of its slices.
            unsafe { correlate_rows(level, &output, rows, &input, columns, &mut sums, BLOCK, span.groups()) };
        }
        sums
    };
    let list = spans(images);
    let parts: Vec<Vec<f32>> = list.par_chunks(list.len().div_ceil(PARTS).max(1)).map(accumulate).collect();
    let entry = |at: usize| {
        let index = correlation_index(at / images.channels, at % images.channels, columns);
        parts.iter().map(|part| part[index]).sum()
    };
    (0..outputs * images.channels).map(entry).collect()
}
