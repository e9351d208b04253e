//! 3x3 convolution with zero padding 1, by Winograd tiles.

use super::gemm::{PANEL, panel_product};
use super::lanes::{LANES, Lanes, Level, dispatch};
use super::shared::SharedSlice;
use super::winograd::{
    Block, FREQUENCIES, Scratch, TILE, blocks, contract_tiles, transform_filter, transform_input,
};
use rayon::prelude::*;

/// Transformed input that a block aims at, bytes: what a second-level cache holds.
const BLOCK_BYTES: usize = 1 << 20;
/// Tiles in a block: enough to reuse the weights, few enough to stay in cache.
const TILES: std::ops::RangeInclusive<usize> = 48..=128;

/// Tiles that a block of `channels` transformed channels should have.
pub(super) fn block_tiles(channels: usize) -> usize {
    let fit = BLOCK_BYTES / (FREQUENCIES * 4 * channels.max(1));
    fit.clamp(*TILES.start(), *TILES.end()) / LANES * LANES
}

/// A batch of images with channels: `[batch, channels, rows, cols]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Images {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl Images {
    pub(super) fn pixels(&self) -> usize {
        self.rows * self.cols
    }

    pub(super) fn len(&self) -> usize {
        self.batch * self.channels * self.pixels()
    }

    /// The same images with another number of channels.
    pub(super) fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// Where a plane starts.
    pub(super) fn plane(&self, image: usize, channel: usize) -> usize {
        (image * self.channels + channel) * self.pixels()
    }
}

/// Filters transformed for the forward product: `[panel][frequency][input][PANEL]`.
pub(super) struct PackedFilters {
    panels: Vec<f32>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl PackedFilters {
    /// For `y = w ∗ x`, `w` being `[outputs, inputs, 3, 3]`.
    pub(super) fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::pack(outputs, inputs, |k, c| {
            let at = 9 * (k * inputs + c);
            std::array::from_fn(|t| weight[at + t])
        })
    }

    /// For the adjoint, from `outputs` channels back to `inputs`: filters turned round, channels swapped.
    pub(super) fn adjoint(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        Self::pack(inputs, outputs, |c, k| {
            let at = 9 * (k * inputs + c);
            std::array::from_fn(|t| weight[at + 8 - t])
        })
    }

    fn pack(outputs: usize, inputs: usize, filter: impl Fn(usize, usize) -> [f32; 9] + Sync) -> Self {
        let size = FREQUENCIES * inputs * PANEL;
        let mut panels = vec![0.0; outputs.div_ceil(PANEL) * size];
        panels.par_chunks_mut(size).enumerate().for_each(|(panel, out)| {
            for p in 0..PANEL.min(outputs - panel * PANEL) {
                for c in 0..inputs {
                    let u = transform_filter(&filter(panel * PANEL + p, c));
                    for (f, v) in u.into_iter().enumerate() {
                        out[(f * inputs + c) * PANEL + p] = v;
                    }
                }
            }
        });
        Self { panels, inputs, outputs }
    }

    fn panel(&self, panel: usize) -> &[f32] {
        let size = FREQUENCIES * self.inputs * PANEL;
        &self.panels[panel * size..][..size]
    }
}

/// Buffers of one thread.
#[derive(Default)]
struct Work {
    scratch: Scratch,
    input: Vec<f32>,
    product: Vec<f32>,
}

/// `y = w ∗ x + b`; `bias` is empty or has one number an output channel. The result does not depend on the
/// number of threads, nor an image's result on the rest of the batch.
pub(super) fn conv3x3(
    level: Level,
    x: &[f32],
    images: Images,
    filters: &PackedFilters,
    bias: &[f32],
) -> Vec<f32> {
    assert_eq!(images.channels, filters.inputs);
    assert_eq!(images.len(), x.len());
    assert!(bias.is_empty() || bias.len() == filters.outputs);
    let result = images.with_channels(filters.outputs);
    let mut y = vec![0.0; result.len()];
    let shared = SharedSlice::new(&mut y);
    let (list, stride) = blocks(images.batch, images.rows, images.cols, block_tiles(images.channels));
    let panels = filters.outputs.div_ceil(PANEL);
    let share = panel_share(list.len(), panels);
    let tasks: Vec<(Block, usize)> =
        list.iter().flat_map(|&b| (0..panels).step_by(share).map(move |p| (b, p))).collect();
    tasks.par_iter().for_each_init(Work::default, |work, &(block, first)| {
        let job = Job { level, images, result, filters, bias, stride, block };
        job.transform(x, work);
        for panel in first..panels.min(first + share) {
            job.panel(panel, work, &shared);
        }
    });
    y
}

/// Panels that a task computes: all of them, unless that leaves threads without work.
fn panel_share(blocks: usize, panels: usize) -> usize {
    let splits = (2 * rayon::current_num_threads()).div_ceil(blocks.max(1));
    if rayon::current_num_threads() == 1 { panels } else { panels.div_ceil(splits).max(panels.min(4)) }
}

/// One block of one convolution.
struct Job<'a> {
    level: Level,
    images: Images,
    result: Images,
    filters: &'a PackedFilters,
    bias: &'a [f32],
    stride: usize,
    block: Block,
}

impl Job<'_> {
    /// `[frequency][channel][stride]` of the block's patches.
    fn transform(&self, x: &[f32], work: &mut Work) {
        let (channels, size) = (self.images.channels, (self.images.rows, self.images.cols));
        work.input.resize(FREQUENCIES * channels * self.stride, 0.0);
        for c in 0..channels {
            let plane = &x[self.images.plane(self.block.image, c)..][..self.images.pixels()];
            let out = &mut work.input[c * self.stride..];
            // SAFETY: it checks the bounds of its slices.
            unsafe {
                transform_input(
                    self.level,
                    plane,
                    size,
                    self.block,
                    &mut work.scratch,
                    out,
                    channels * self.stride,
                );
            }
        }
    }

    /// Computes the panel's output channels of the block.
    fn panel(&self, panel: usize, work: &mut Work, y: &SharedSlice<'_>) {
        let Work { input, product, .. } = work;
        product.resize(FREQUENCIES * PANEL * self.stride, 0.0);
        let (u, groups) = (self.filters.panel(panel), self.block.groups());
        // SAFETY: it checks the bounds of its slices.
        unsafe { multiply(self.level, u, input, product, self.stride, self.images.channels, groups) };
        for p in 0..PANEL.min(self.filters.outputs - panel * PANEL) {
            let k = panel * PANEL + p;
            let bias = self.bias.get(k).copied().unwrap_or(0.0);
            let start = self.result.plane(self.block.image, k);
            let size = (self.result.rows, self.result.cols);
            let m = &product[p * self.stride..];
            // SAFETY: it checks the bounds of `m`; blocks and channels never share a pixel of `y`.
            unsafe { write_tiles(self.level, m, PANEL * self.stride, bias, self.block, y, start, size) };
        }
    }
}

#[inline(always)]
unsafe fn multiply_of<V: Lanes>(
    u: &[f32],
    v: &[f32],
    m: &mut [f32],
    stride: usize,
    depth: usize,
    groups: usize,
) {
    assert!(u.len() >= FREQUENCIES * depth * PANEL && v.len() >= FREQUENCIES * depth * stride);
    assert!(m.len() >= FREQUENCIES * PANEL * stride && groups * LANES <= stride);
    for f in 0..FREQUENCIES {
        // SAFETY: the assertions bound all three.
        unsafe {
            let (u, v) = (u.as_ptr().add(f * depth * PANEL), v.as_ptr().add(f * depth * stride));
            panel_product::<V>(u, v, m.as_mut_ptr().add(f * PANEL * stride), stride, depth, groups);
        }
    }
}
dispatch!(
    /// For each frequency the product of a panel of filters and the transformed input.
    multiply => multiply_of(
        u: &[f32], v: &[f32], m: &mut [f32], stride: usize, depth: usize, groups: usize,
    )
);

#[inline(always)]
unsafe fn write_tiles_of<V: Lanes>(
    m: &[f32],
    frequency_stride: usize,
    bias: f32,
    block: Block,
    y: &SharedSlice<'_>,
    start: usize,
    (rows, cols): (usize, usize),
) {
    let groups = block.cols.div_ceil(LANES);
    assert!(m.len() >= (FREQUENCIES - 1) * frequency_stride + (block.rows - 1) * block.cols + groups * LANES);
    let mut lines = [0.0; 4 * TILE * LANES];
    for (r, g) in (0..block.rows).flat_map(|r| (0..groups).map(move |g| (r, g))) {
        // SAFETY: the assertion bounds `m`.
        unsafe {
            let from = m.as_ptr().add(r * block.cols + LANES * g);
            contract_tiles::<V>(from, frequency_stride, bias, &mut lines);
        }
        let col = TILE * (block.col + LANES * g);
        let count = (TILE * LANES).min(TILE * (block.cols - LANES * g)).min(cols - col);
        let top = TILE * (block.row + r);
        for (line, row) in lines.chunks_exact(TILE * LANES).zip(top..rows) {
            // SAFETY: this block alone writes these pixels.
            unsafe { y.range(start + row * cols + col, count) }.copy_from_slice(&line[..count]);
        }
    }
}
dispatch!(
    /// Turns products into pixels of the output plane that starts at `start`.
    write_tiles => write_tiles_of(
        m: &[f32], frequency_stride: usize, bias: f32, block: Block, y: &SharedSlice<'_>, start: usize,
        size: (usize, usize),
    )
);
