//! Image planes cut into tiles and brought to Winograd's frequencies.

use crate::kernels::conv::winograd::{FREQUENCIES, SIZE, TILE, expand};
use crate::kernels::norm::silu_into;
use crate::kernels::parts::{Stored, repeat_each};
use crate::kernels::simd::buffer::Buffer;
use crate::kernels::simd::lanes::{LANES, Lanes, dispatch};

/// Tiles side by side in a block of many, and of few: whole vectors, and about as wide as high.
const WIDTHS: [usize; 2] = [2 * LANES, LANES];

/// A rectangle of tiles of one image.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Block {
    /// Which image of the batch.
    pub(in crate::kernels) image: usize,
    /// First row of tiles.
    pub(in crate::kernels) row: usize,
    /// Rows of tiles.
    pub(in crate::kernels) rows: usize,
    /// First column of tiles.
    pub(in crate::kernels) col: usize,
    /// Columns of tiles.
    pub(in crate::kernels) cols: usize,
}

impl Block {
    pub(in crate::kernels) fn tiles(&self) -> usize {
        self.rows * self.cols
    }

    /// Vectors that hold all tiles.
    pub(in crate::kernels) fn groups(&self) -> usize {
        self.tiles().div_ceil(LANES)
    }
}

/// Cuts a batch of images into blocks of about `target` tiles, and gives the distance between rows of
/// transformed tiles that holds any of them, with room for a vector that overlaps the end.
pub(in crate::kernels) fn blocks(
    batch: usize,
    rows: usize,
    cols: usize,
    target: usize,
) -> (Vec<Block>, usize) {
    let (tile_rows, tile_cols) = (rows.div_ceil(TILE), cols.div_ceil(TILE));
    let width = tile_cols.min(WIDTHS[usize::from(target < 2 * WIDTHS[0])]);
    let height = (target / width).clamp(1, tile_rows);
    // As few rows of blocks, evenly.
    let height = tile_rows.div_ceil(tile_rows.div_ceil(height));
    let mut list = Vec::new();
    for image in 0..batch {
        for row in (0..tile_rows).step_by(height) {
            for col in (0..tile_cols).step_by(width) {
                let (rows, cols) = (height.min(tile_rows - row), width.min(tile_cols - col));
                list.push(Block { image, row, rows, col, cols });
            }
        }
    }
    (list, row_stride(height * width))
}

/// The distance between rows of `tiles` numbers: an odd number of cache lines, so that rows do not compete
/// for the same places of a cache, and a vector of room.
pub(in crate::kernels) fn row_stride(tiles: usize) -> usize {
    ((tiles.div_ceil(LANES) + 1) | 1) * LANES
}

/// The distance between the planes of two frequencies, each `rows` rows of `stride`: again an odd number of
/// cache lines.
pub(in crate::kernels) fn plane_stride(rows: usize, stride: usize) -> usize {
    ((rows * stride).div_ceil(LANES) | 1) * LANES
}

/// One channel of one image, perhaps to be mapped on the way in.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Plane<'a> {
    pub(in crate::kernels) stored: Stored<'a>,
    pub(in crate::kernels) rows: usize,
    pub(in crate::kernels) cols: usize,
    /// `(gain, offset)`: `silu(gain · x + offset)` is taken in place of `x`.
    pub(in crate::kernels) curve: Option<(f32, f32)>,
}

/// Memory that one thread works in: padded image lines, and lines transformed along the columns.
#[derive(Default)]
pub(in crate::kernels) struct Scratch {
    lines: Buffer,
    half: Buffer,
}

/// Transforms one plane's tiles of `block` into `out[f · frequency_stride + tile]`.
///
/// `IN = 6` takes the overlapping patches of a convolution's input (`Bᵀ d B`), `IN = 4` the tiles of its
/// result (`A y Aᵀ`). Up to a vector behind the last tile is overwritten.
#[inline(always)]
unsafe fn transform_plane<V: Lanes, const IN: usize>(
    plane: Plane<'_>,
    block: Block,
    scratch: &mut Scratch,
    out: &mut [f32],
    frequency_stride: usize,
) {
    let groups = block.cols.div_ceil(LANES);
    let width = LANES * groups;
    let count = TILE * block.rows + IN - TILE;
    let pitch = TILE * width + LANES;
    scratch.lines.grow(count * pitch);
    scratch.half.grow(count * SIZE * width);
    assert!(out.len() >= (FREQUENCIES - 1) * frequency_stride + (block.rows - 1) * block.cols + width);
    let (lines, half) = (&mut scratch.lines[..count * pitch], &mut scratch.half[..count * SIZE * width]);
    // All lines first: what was just written in other portions than it is read must not be waited for.
    for (line, row) in lines.chunks_exact_mut(pitch).enumerate() {
        fill_line::<V, IN>(plane, block, line, row);
    }
    // SAFETY: `lines` and `half` were just sized, `out` was checked.
    unsafe {
        for (row, half) in lines.chunks_exact(pitch).zip(half.chunks_exact_mut(SIZE * width)) {
            for g in 0..groups {
                let row = row.as_ptr().add(TILE * LANES * g);
                let x = V::deinterleave(V::load4(row));
                let mut patch = [x[0]; IN];
                patch[..TILE].copy_from_slice(&x);
                if IN == SIZE {
                    let next = V::deinterleave(V::load4(row.add(TILE)));
                    patch[TILE..].copy_from_slice(&next[..IN - TILE]);
                }
                for (j, v) in expand::<V, IN>(patch).into_iter().enumerate() {
                    v.store(half.as_mut_ptr().add(j * width + LANES * g));
                }
            }
        }
        expand_rows::<V, IN>(half, block, out, frequency_stride);
    }
}

/// Writes what `block` needs of one image line into `row`, zero outside of the image.
#[inline(always)]
fn fill_line<V: Lanes, const IN: usize>(plane: Plane<'_>, block: Block, line: usize, row: &mut [f32]) {
    let halo = (IN - TILE) / 2;
    let y = TILE * block.row + line;
    if y < halo || y - halo >= plane.rows {
        return row.fill(0.0);
    }
    let from = TILE * block.col;
    let skipped = halo.saturating_sub(from);
    let from = from + skipped - halo;
    let count = (TILE * block.cols + IN - TILE - skipped).min(plane.cols - from);
    row[..skipped].fill(0.0);
    let (inside, behind) = row[skipped..].split_at_mut(count);
    if plane.stored.doubled {
        fill_doubled::<V>(plane, y - halo, from, inside);
    } else {
        map_into::<V>(&plane.stored.values[(y - halo) * plane.cols + from..][..count], plane.curve, inside);
    }
    behind.fill(0.0);
}

/// Fills `inside` from column `from` on of a line that is stored at half the size.
#[inline(always)]
fn fill_doubled<V: Lanes>(plane: Plane<'_>, line: usize, from: usize, inside: &mut [f32]) {
    let (first, last) = (from / 2, (from + inside.len() - 1) / 2);
    let source = &plane.stored.values[line / 2 * (plane.cols / 2)..][first..=last];
    let mut mapped = [0.0; 2 * TILE * LANES + LANES];
    let mapped = &mut mapped[..source.len()];
    map_into::<V>(source, plane.curve, mapped);
    repeat_each(mapped, from % 2 == 1, inside);
}

#[inline(always)]
fn map_into<V: Lanes>(source: &[f32], curve: Option<(f32, f32)>, to: &mut [f32]) {
    match curve {
        None => to.copy_from_slice(source),
        Some((gain, offset)) => silu_into::<V>(source, to, gain, offset),
    }
}

/// The transform along the rows; a row of tiles overwrites what overhangs from the one before.
#[inline(always)]
unsafe fn expand_rows<V: Lanes, const IN: usize>(
    half: &[f32],
    block: Block,
    out: &mut [f32],
    frequency_stride: usize,
) {
    let groups = block.cols.div_ceil(LANES);
    let width = LANES * groups;
    // SAFETY: `transform_plane` sized `half` and checked `out`.
    unsafe {
        for r in 0..block.rows {
            for (j, g) in (0..SIZE).flat_map(|j| (0..groups).map(move |g| (j, g))) {
                let from = half.as_ptr().add((TILE * r * SIZE + j) * width + LANES * g);
                let mut x = [V::splat(0.0); IN];
                for (i, x) in x.iter_mut().enumerate() {
                    *x = V::load(from.add(i * SIZE * width));
                }
                let to = out.as_mut_ptr().add(j * frequency_stride + r * block.cols + LANES * g);
                for (i, v) in expand::<V, IN>(x).into_iter().enumerate() {
                    v.store(to.add(i * SIZE * frequency_stride));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn transform_input_of<V: Lanes>(
    plane: Plane<'_>,
    block: Block,
    scratch: &mut Scratch,
    out: &mut [f32],
    stride: usize,
) {
    // SAFETY: passed on.
    unsafe { transform_plane::<V, 6>(plane, block, scratch, out, stride) }
}
dispatch!(
    /// `Bᵀ d B` of the patches around each tile; see [`transform_plane`].
    transform_input => transform_input_of(
        plane: Plane<'_>, block: Block, scratch: &mut Scratch, out: &mut [f32], stride: usize,
    )
);

#[inline(always)]
unsafe fn transform_gradient_of<V: Lanes>(
    plane: Plane<'_>,
    block: Block,
    scratch: &mut Scratch,
    out: &mut [f32],
    stride: usize,
) {
    // SAFETY: passed on.
    unsafe { transform_plane::<V, 4>(plane, block, scratch, out, stride) }
}
dispatch!(
    /// `A y Aᵀ` of each tile; see [`transform_plane`].
    transform_gradient => transform_gradient_of(
        plane: Plane<'_>, block: Block, scratch: &mut Scratch, out: &mut [f32], stride: usize,
    )
);
