//! 3x3 convolution with zero padding 1, by Winograd tiles.

use crate::kernels::conv::filters::PackedFilters;
use crate::kernels::conv::gemm::{PANEL, panel_product};
use crate::kernels::conv::patches::{Block, Plane, Scratch, blocks, plane_stride, transform_input};
use crate::kernels::conv::winograd::{FREQUENCIES, TILE, contract_tiles};
use crate::kernels::images::Images;
use crate::kernels::parts::Parts;
use crate::kernels::simd::buffer::Buffer;
use crate::kernels::simd::lanes::{LANES, Lanes, Level, dispatch};
use crate::kernels::simd::shared::{SharedSlice, share_out, written};

/// Transformed input, and products, that a block aims at, bytes: together what a second-level cache holds.
const BLOCK_BYTES: usize = 1 << 20;
/// Tiles in a block: enough to reuse the weights, few enough to stay in cache.
const TILES: std::ops::RangeInclusive<usize> = 48..=128;

/// Tiles that a block of `channels` transformed channels should have.
fn block_tiles(channels: usize) -> usize {
    let fit = BLOCK_BYTES / (FREQUENCIES * 4 * channels.max(1));
    fit.clamp(*TILES.start(), *TILES.end()) / LANES * LANES
}

/// What a convolution reads, each plane perhaps mapped on the way in.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Input<'a> {
    pub(in crate::kernels) parts: Parts<'a>,
    /// Empty, or for each plane the curve of [`Plane::curve`].
    pub(in crate::kernels) curves: &'a [(f32, f32)],
}

impl<'a> Input<'a> {
    pub(in crate::kernels) fn plain(values: &'a [f32], images: Images) -> Self {
        Self { parts: Parts::whole(values, images), curves: &[] }
    }

    pub(in crate::kernels) fn channels(&self) -> usize {
        self.parts.images.channels
    }

    pub(in crate::kernels) fn plane(&self, image: usize, channel: usize) -> Plane<'a> {
        let Images { rows, cols, channels, .. } = self.parts.images;
        let curve = self.curves.get(image * channels + channel).copied();
        Plane { stored: self.parts.plane(image, channel), rows, cols, curve }
    }
}

/// What is done to a convolution's result: `scale · (w ∗ x + bias + residual)`.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Finish<'a> {
    /// Empty, or one number an output channel, the same for all images or not.
    pub(in crate::kernels) bias: &'a [f32],
    /// Empty, or as long as the result.
    pub(in crate::kernels) residual: &'a [f32],
    pub(in crate::kernels) scale: f32,
}

impl<'a> Finish<'a> {
    pub(in crate::kernels) fn bias(bias: &'a [f32]) -> Self {
        Self { bias, residual: &[], scale: 1.0 }
    }
}

/// Buffers of one thread.
struct Work {
    scratch: Scratch,
    input: Buffer,
    product: Buffer,
}

/// `scale · (w ∗ x + bias + residual)`. The result does not depend on the number of threads, nor an image's
/// result on the rest of the batch.
pub(in crate::kernels) fn conv3x3(
    level: Level,
    input: Input<'_>,
    filters: &PackedFilters,
    finish: Finish<'_>,
) -> Vec<f32> {
    let images = input.parts.images;
    let result = images.with_channels(filters.outputs);
    assert_eq!(images.channels, filters.inputs);
    assert!(input.curves.is_empty() || input.curves.len() == images.batch * images.channels);
    assert!([0, 1, images.batch].iter().any(|n| finish.bias.len() == n * filters.outputs));
    assert!(finish.residual.is_empty() || finish.residual.len() == result.len());
    let (list, stride) = blocks(images.batch, images.rows, images.cols, block_tiles(images.channels));
    let job = Job { level, input, result, filters, finish, stride };
    let (panels, chunk) = (filters.panels(), job.chunk());
    let share = panel_share(list.len(), panels);
    let tasks: Vec<(Block, usize)> =
        list.iter().flat_map(|&b| (0..panels).step_by(share).map(move |p| (b, p))).collect();
    let memory = || Work {
        scratch: Scratch::default(),
        input: Buffer::new(FREQUENCIES * plane_stride(images.channels, stride)),
        product: Buffer::new(FREQUENCIES * plane_stride(chunk.min(share) * PANEL, stride)),
    };
    // SAFETY: the blocks cover the images, and the shares of panels all output channels.
    unsafe {
        written(result.len(), |y| {
            share_out(&tasks, memory, |work, &(block, first)| {
                job.transform(block, work);
                let last = panels.min(first + share);
                for from in (first..last).step_by(chunk) {
                    job.multiply(block, from..last.min(from + chunk), work, y);
                }
            });
        })
    }
}

/// Panels that a task computes: all of them, unless that leaves threads without work.
fn panel_share(blocks: usize, panels: usize) -> usize {
    let threads = rayon::current_num_threads();
    let splits = (2 * threads).div_ceil(blocks.max(1));
    if threads == 1 { panels } else { panels.div_ceil(splits).max(panels.min(4)) }
}

/// One convolution.
struct Job<'a> {
    level: Level,
    input: Input<'a>,
    result: Images,
    filters: &'a PackedFilters,
    finish: Finish<'a>,
    stride: usize,
}

impl Job<'_> {
    /// Panels whose products are held at a time.
    fn chunk(&self) -> usize {
        (BLOCK_BYTES / (FREQUENCIES * PANEL * 4 * self.stride)).max(1)
    }

    fn bias(&self, image: usize, channel: usize) -> f32 {
        let (bias, channels) = (self.finish.bias, self.result.channels);
        if bias.is_empty() { 0.0 } else { bias[(image * channels + channel) % bias.len()] }
    }

    /// `[frequency][channel][stride]` of the block's patches.
    fn transform(&self, block: Block, work: &mut Work) {
        let channels = self.input.channels();
        let frequency_stride = plane_stride(channels, self.stride);
        for c in 0..channels {
            let plane = self.input.plane(block.image, c);
            let out = &mut work.input[c * self.stride..];
            // SAFETY: it checks the bounds of its slices.
            unsafe {
                transform_input(self.level, plane, block, &mut work.scratch, out, frequency_stride);
            }
        }
    }

    /// Computes the output channels of some panels in the block.
    fn multiply(&self, block: Block, panels: std::ops::Range<usize>, work: &mut Work, y: &SharedSlice<'_>) {
        let first = panels.start * PANEL;
        let frequency_stride = plane_stride(panels.len() * PANEL, self.stride);
        let Work { input, product, .. } = work;
        // SAFETY: it checks the bounds of its slices.
        unsafe {
            products(self.level, self.filters, panels.clone(), input, product, self.stride, block.groups());
        };
        for k in first..self.result.channels.min(panels.end * PANEL) {
            let place = Place {
                start: self.result.plane(block.image, k),
                rows: self.result.rows,
                cols: self.result.cols,
                bias: self.bias(block.image, k),
            };
            let m = &product[(k - first) * self.stride..];
            // SAFETY: it checks the bounds of `m`; blocks and channels never share a pixel of `y`.
            unsafe { write_tiles(self.level, m, frequency_stride, block, place, self.finish, y) };
        }
    }
}

#[inline(always)]
unsafe fn products_of<V: Lanes>(
    filters: &PackedFilters,
    panels: std::ops::Range<usize>,
    v: &[f32],
    m: &mut [f32],
    stride: usize,
    groups: usize,
) {
    let (depth, all) = (filters.inputs, filters.panels());
    let (v_plane, m_plane) = (plane_stride(depth, stride), plane_stride(panels.len() * PANEL, stride));
    assert!(panels.end <= all && v.len() >= FREQUENCIES * v_plane);
    assert!(m.len() >= FREQUENCIES * m_plane && groups * LANES <= stride);
    for f in 0..FREQUENCIES {
        for (i, panel) in panels.clone().enumerate() {
            // SAFETY: the assertions bound all three.
            unsafe {
                let u = filters.packed.as_ptr().add((f * all + panel) * depth * PANEL);
                let v = v.as_ptr().add(f * v_plane);
                let m = m.as_mut_ptr().add(f * m_plane + i * PANEL * stride);
                panel_product::<V>(u, v, m, stride, depth, groups);
            }
        }
    }
}
dispatch!(
    /// For each frequency the products of panels of filters and the transformed input:
    /// `[frequency][output channel][stride]`.
    products => products_of(
        filters: &PackedFilters, panels: std::ops::Range<usize>, v: &[f32], m: &mut [f32], stride: usize,
        groups: usize,
    )
);

/// An output plane, and what is added to it.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Place {
    start: usize,
    rows: usize,
    cols: usize,
    bias: f32,
}

#[inline(always)]
unsafe fn write_tiles_of<V: Lanes>(
    m: &[f32],
    frequency_stride: usize,
    block: Block,
    place: Place,
    finish: Finish<'_>,
    y: &SharedSlice<'_>,
) {
    const WIDTH: usize = TILE * LANES;
    let groups = block.cols.div_ceil(LANES);
    assert!(m.len() >= (FREQUENCIES - 1) * frequency_stride + (block.rows - 1) * block.cols + groups * LANES);
    for (r, g) in (0..block.rows).flat_map(|r| (0..groups).map(move |g| (r, g))) {
        // SAFETY: the assertion bounds `m`.
        let lines = unsafe {
            contract_tiles::<V>(m.as_ptr().add(r * block.cols + LANES * g), frequency_stride, place.bias)
        };
        let col = TILE * (block.col + LANES * g);
        let count = WIDTH.min(TILE * (block.cols - LANES * g)).min(place.cols - col);
        let top = TILE * (block.row + r);
        for (line, row) in lines.into_iter().zip(top..place.rows) {
            let at = place.start + row * place.cols + col;
            let residual = finish.residual.get(at..at + count);
            let to = y.range(at, count);
            // SAFETY: this block alone writes these pixels; residual and range are `count` long.
            unsafe {
                if count == WIDTH {
                    finish_line(line, residual.map(<[f32]>::as_ptr), finish.scale, to);
                } else {
                    let (mut added, mut whole) = ([0.0; WIDTH], [0.0; WIDTH]);
                    if let Some(residual) = residual {
                        added[..count].copy_from_slice(residual);
                    }
                    finish_line(line, residual.map(|_| added.as_ptr()), finish.scale, whole.as_mut_ptr());
                    to.copy_from_nonoverlapping(whole.as_ptr(), count);
                }
            }
        }
    }
}
dispatch!(
    /// Turns products into pixels of the output plane at `place`.
    write_tiles => write_tiles_of(
        m: &[f32], frequency_stride: usize, block: Block, place: Place, finish: Finish<'_>, y: &SharedSlice<'_>,
    )
);

/// `scale · (line + residual)` of four vectors.
#[inline(always)]
unsafe fn finish_line<V: Lanes>(line: [V; TILE], residual: Option<*const f32>, scale: f32, to: *mut f32) {
    // SAFETY: the caller vouches for the pointers and the instruction set.
    unsafe {
        for (n, mut v) in line.into_iter().enumerate() {
            if let Some(residual) = residual {
                v = v.add(V::load(residual.add(LANES * n)));
            }
            if scale != 1.0 {
                v = v.mul(V::splat(scale));
            }
            v.store(to.add(LANES * n));
        }
    }
}
