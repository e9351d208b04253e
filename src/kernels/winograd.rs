//! The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016).
//!
//! A 4x4 tile of the result is `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` for a 3x3 filter `g` and a 6x6 patch `d`: 36
//! products instead of 144. Its adjoint in `g` is `Gᵀ [(Bᵀ d B) ⊙ (A y Aᵀ)] G`.
//! Tiles run along the vector. Frequency `f = 6 i + j`, `i` down the rows.

use super::lanes::{LANES, Lanes, dispatch};

/// Rows and columns of a tile of the result.
pub(super) const TILE: usize = 4;
/// Rows and columns of a transformed tile.
pub(super) const SIZE: usize = 6;
/// Numbers in a transformed tile.
pub(super) const FREQUENCIES: usize = SIZE * SIZE;

const G: [[f32; 3]; SIZE] = [
    [0.25, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// A rectangle of tiles of one image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Which image of the batch.
    pub(super) image: usize,
    /// First row of tiles.
    pub(super) row: usize,
    /// Rows of tiles.
    pub(super) rows: usize,
    /// First column of tiles.
    pub(super) col: usize,
    /// Columns of tiles.
    pub(super) cols: usize,
}

impl Block {
    pub(super) fn tiles(&self) -> usize {
        self.rows * self.cols
    }

    /// Vectors that hold all tiles.
    pub(super) fn groups(&self) -> usize {
        self.tiles().div_ceil(LANES)
    }
}

/// Cuts a batch of images into blocks of about `target` tiles, and gives the distance between rows of
/// transformed tiles that holds any of them, with room for a vector that overlaps the end.
pub(super) fn blocks(batch: usize, rows: usize, cols: usize, target: usize) -> (Vec<Block>, usize) {
    let (tile_rows, tile_cols) = (rows.div_ceil(TILE), cols.div_ceil(TILE));
    let strips = tile_cols.div_ceil(target);
    let width = if strips == 1 { tile_cols } else { tile_cols.div_ceil(strips).next_multiple_of(LANES) };
    let height = (target / width).clamp(1, tile_rows);
    let mut list = Vec::new();
    for image in 0..batch {
        for row in (0..tile_rows).step_by(height) {
            for col in (0..tile_cols).step_by(width) {
                let (rows, cols) = (height.min(tile_rows - row), width.min(tile_cols - col));
                list.push(Block { image, row, rows, col, cols });
            }
        }
    }
    (list, (height * width).next_multiple_of(LANES) + LANES)
}

/// `G g Gᵀ`.
pub(super) fn transform_filter(g: &[f32; 9]) -> [f32; FREQUENCIES] {
    let mut half = [[0.0; 3]; SIZE];
    for i in 0..SIZE {
        for j in 0..3 {
            half[i][j] = G[i][0] * g[j] + G[i][1] * g[3 + j] + G[i][2] * g[6 + j];
        }
    }
    std::array::from_fn(|f| {
        let (h, r) = (half[f / SIZE], G[f % SIZE]);
        h[0] * r[0] + h[1] * r[1] + h[2] * r[2]
    })
}

/// `Gᵀ u G`, the adjoint of [`transform_filter`].
pub(super) fn gather_filter(u: &[f32; FREQUENCIES]) -> [f32; 9] {
    let mut half = [[0.0; SIZE]; 3];
    for (a, half) in half.iter_mut().enumerate() {
        for (j, h) in half.iter_mut().enumerate() {
            *h = (0..SIZE).map(|i| G[i][a] * u[SIZE * i + j]).sum();
        }
    }
    std::array::from_fn(|t| (0..SIZE).map(|j| half[t / 3][j] * G[j][t % 3]).sum())
}

/// `Bᵀ x` for six numbers, or `A x` for four: what a transform does along one axis.
#[inline(always)]
unsafe fn expand<V: Lanes, const IN: usize>(x: [V; IN]) -> [V; SIZE] {
    // SAFETY: only arithmetic.
    unsafe {
        if IN == SIZE {
            expand_patch([x[0], x[1], x[2], x[3], x[IN - 2], x[IN - 1]])
        } else {
            expand_tile([x[0], x[1], x[2], x[3]])
        }
    }
}

#[inline(always)]
unsafe fn expand_patch<V: Lanes>(x: [V; SIZE]) -> [V; SIZE] {
    // SAFETY: only arithmetic.
    unsafe {
        let s = |v: f32| V::splat(v);
        let (a, b) = (x[2].mul_add(s(-4.0), x[4]), x[1].mul_add(s(-4.0), x[3]));
        let (c, d) = (x[4].sub(x[2]), x[3].sub(x[1]));
        [
            x[0].mul_add(s(4.0), x[2].mul_add(s(-5.0), x[4])),
            a.add(b),
            a.sub(b),
            d.mul_add(s(2.0), c),
            d.mul_add(s(-2.0), c),
            x[1].mul_add(s(4.0), x[3].mul_add(s(-5.0), x[5])),
        ]
    }
}

#[inline(always)]
unsafe fn expand_tile<V: Lanes>(y: [V; TILE]) -> [V; SIZE] {
    // SAFETY: only arithmetic.
    unsafe {
        let s = |v: f32| V::splat(v);
        let (even, odd) = (y[0].add(y[2]), y[1].add(y[3]));
        let (far, odd2) = (y[2].mul_add(s(4.0), y[0]), y[3].mul_add(s(4.0), y[1]));
        [y[0], even.add(odd), even.sub(odd), odd2.mul_add(s(2.0), far), odd2.mul_add(s(-2.0), far), y[3]]
    }
}

/// `Aᵀ m` for six numbers.
#[inline(always)]
unsafe fn contract<V: Lanes>(m: [V; SIZE]) -> [V; TILE] {
    // SAFETY: only arithmetic.
    unsafe {
        let s = |v: f32| V::splat(v);
        let (a, b) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (c, d) = (m[3].add(m[4]), m[3].sub(m[4]));
        [m[0].add(a.add(c)), d.mul_add(s(2.0), b), c.mul_add(s(4.0), a), m[5].add(d.mul_add(s(8.0), b))]
    }
}

/// Memory that one thread works in: a padded image row, and rows transformed along the columns.
#[derive(Default)]
pub(super) struct Scratch {
    row: Vec<f32>,
    half: Vec<f32>,
}

/// Transforms one plane's tiles of `block` into `out[f · frequency_stride + tile]`.
///
/// `IN = 6` takes the overlapping patches of a convolution's input (`Bᵀ d B`), `IN = 4` the tiles of its
/// result (`A y Aᵀ`). Up to a vector behind the last tile is overwritten.
#[inline(always)]
unsafe fn transform_plane<V: Lanes, const IN: usize>(
    plane: &[f32],
    size: (usize, usize),
    block: Block,
    scratch: &mut Scratch,
    out: &mut [f32],
    frequency_stride: usize,
) {
    let groups = block.cols.div_ceil(LANES);
    let width = LANES * groups;
    let lines = TILE * block.rows + IN - TILE;
    scratch.row.resize(TILE * width + TILE, 0.0);
    scratch.half.resize(lines * SIZE * width, 0.0);
    assert!(out.len() >= (FREQUENCIES - 1) * frequency_stride + (block.rows - 1) * block.cols + width);
    // SAFETY: `row` and `half` were just sized, `out` was checked.
    unsafe {
        for line in 0..lines {
            let half = scratch.half.as_mut_ptr().add(line * SIZE * width);
            if !copy_line::<IN>(plane, size, block, line, &mut scratch.row) {
                std::ptr::write_bytes(half, 0, SIZE * width);
                continue;
            }
            for g in 0..groups {
                let row = scratch.row.as_ptr().add(TILE * LANES * g);
                let x = V::deinterleave(V::load4(row));
                let mut patch = [x[0]; IN];
                patch[..TILE].copy_from_slice(&x);
                if IN == SIZE {
                    let next = V::deinterleave(V::load4(row.add(TILE)));
                    patch[TILE..].copy_from_slice(&next[..IN - TILE]);
                }
                for (j, v) in expand::<V, IN>(patch).into_iter().enumerate() {
                    v.store(half.add(j * width + LANES * g));
                }
            }
        }
        expand_rows::<V, IN>(&scratch.half, block, out, frequency_stride);
    }
}

/// Copies what `block` needs of one image line into `row`; false when the line is outside.
#[inline(always)]
fn copy_line<const IN: usize>(
    plane: &[f32],
    (rows, cols): (usize, usize),
    block: Block,
    line: usize,
    row: &mut [f32],
) -> bool {
    let halo = (IN - TILE) / 2;
    let y = TILE * block.row + line;
    if y < halo || y - halo >= rows {
        return false;
    }
    let from = TILE * block.col;
    let skipped = halo.saturating_sub(from);
    let from = from + skipped - halo;
    let count = (TILE * block.cols + IN - TILE - skipped).min(cols - from);
    let source = (y - halo) * cols + from;
    row[..skipped].fill(0.0);
    row[skipped..skipped + count].copy_from_slice(&plane[source..source + count]);
    row[skipped + count..].fill(0.0);
    true
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

dispatch!(
    /// `Bᵀ d B` of the patches around each tile; see [`transform_plane`].
    transform_input => transform_input_of(
        plane: &[f32], size: (usize, usize), block: Block, scratch: &mut Scratch, out: &mut [f32], stride: usize,
    )
);
#[inline(always)]
unsafe fn transform_input_of<V: Lanes>(
    plane: &[f32],
    size: (usize, usize),
    block: Block,
    scratch: &mut Scratch,
    out: &mut [f32],
    stride: usize,
) {
    // SAFETY: passed on.
    unsafe { transform_plane::<V, 6>(plane, size, block, scratch, out, stride) }
}

dispatch!(
    /// `A y Aᵀ` of each tile; see [`transform_plane`].
    transform_gradient => transform_gradient_of(
        plane: &[f32], size: (usize, usize), block: Block, scratch: &mut Scratch, out: &mut [f32], stride: usize,
    )
);
#[inline(always)]
unsafe fn transform_gradient_of<V: Lanes>(
    plane: &[f32],
    size: (usize, usize),
    block: Block,
    scratch: &mut Scratch,
    out: &mut [f32],
    stride: usize,
) {
    // SAFETY: passed on.
    unsafe { transform_plane::<V, 4>(plane, size, block, scratch, out, stride) }
}

/// `Aᵀ m A + bias` for the tiles of a vector: four lines of 64 pixels into `lines`.
///
/// # Safety
/// `m` covers 36 vectors, `frequency_stride` apart; `lines` 256 floats; the instruction set is there.
#[inline(always)]
pub(super) unsafe fn contract_tiles<V: Lanes>(
    m: *const f32,
    frequency_stride: usize,
    bias: f32,
    lines: &mut [f32; 4 * TILE * LANES],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let bias = V::splat(bias);
        let mut half = [[bias; SIZE]; TILE];
        for j in 0..SIZE {
            let mut column = [bias; SIZE];
            for (i, c) in column.iter_mut().enumerate() {
                *c = V::load(m.add((SIZE * i + j) * frequency_stride));
            }
            for (half, v) in half.iter_mut().zip(contract(column)) {
                half[j] = v;
            }
        }
        for (i, half) in half.into_iter().enumerate() {
            let y = contract(half);
            let mixed = V::interleave([y[0].add(bias), y[1].add(bias), y[2].add(bias), y[3].add(bias)]);
            for (n, v) in mixed.into_iter().enumerate() {
                v.store(lines.as_mut_ptr().add(TILE * LANES * i + LANES * n));
            }
        }
    }
}
