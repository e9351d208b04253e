//! The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016).
//!
//! A 4x4 tile of the result is `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` for a 3x3 filter `g` and a 6x6 patch `d`: 36
//! products instead of 144. Its adjoint in `g` is `Gᵀ [(Bᵀ d B) ⊙ (A y Aᵀ)] G`.
//! Tiles run along the vector. Frequency `f = 6 i + j`, `i` down the rows.

use crate::kernels::simd::lanes::Lanes;

/// Rows and columns of a tile of the result.
pub(in crate::kernels) const TILE: usize = 4;
/// Rows and columns of a transformed tile.
pub(in crate::kernels) const SIZE: usize = 6;
/// Numbers in a transformed tile.
pub(in crate::kernels) const FREQUENCIES: usize = SIZE * SIZE;

const G: [[f32; 3]; SIZE] = [
    [0.25, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// `G g Gᵀ` of `N` filters side by side.
pub(in crate::kernels) fn transform_filters<const N: usize>(g: &[[f32; N]; 9]) -> [[f32; N]; FREQUENCIES] {
    let mut half = [[[0.0; N]; 3]; SIZE];
    for (i, j) in (0..SIZE).flat_map(|i| (0..3).map(move |j| (i, j))) {
        for n in 0..N {
            half[i][j][n] = G[i][0] * g[j][n] + G[i][1] * g[3 + j][n] + G[i][2] * g[6 + j][n];
        }
    }
    let mut u = [[0.0; N]; FREQUENCIES];
    for (f, u) in u.iter_mut().enumerate() {
        let (h, r) = (&half[f / SIZE], G[f % SIZE]);
        for n in 0..N {
            u[n] = h[0][n] * r[0] + h[1][n] * r[1] + h[2][n] * r[2];
        }
    }
    u
}

/// `Gᵀ u G`, the adjoint of [`transform_filters`].
pub(in crate::kernels) fn gather_filters<const N: usize>(u: &[[f32; N]; FREQUENCIES]) -> [[f32; N]; 9] {
    let mut half = [[[0.0; N]; SIZE]; 3];
    let mut taps = [[0.0; N]; 9];
    for (a, j) in (0..3).flat_map(|a| (0..SIZE).map(move |j| (a, j))) {
        for i in 0..SIZE {
            for n in 0..N {
                half[a][j][n] += G[i][a] * u[SIZE * i + j][n];
            }
        }
    }
    for (t, tap) in taps.iter_mut().enumerate() {
        for (j, half) in half[t / 3].iter().enumerate() {
            for n in 0..N {
                tap[n] += half[n] * G[j][t % 3];
            }
        }
    }
    taps
}

/// `Bᵀ x` for six numbers, or `A x` for four: what a transform does along one axis.
#[inline(always)]
pub(in crate::kernels) unsafe fn expand<V: Lanes, const IN: usize>(x: [V; IN]) -> [V; SIZE] {
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

/// `Aᵀ m A + bias` for the tiles of a vector: four lines of four vectors of pixels.
///
/// # Safety
/// `m` covers 36 vectors, `frequency_stride` apart; the instruction set is there.
#[inline(always)]
pub(in crate::kernels) unsafe fn contract_tiles<V: Lanes>(
    m: *const f32,
    frequency_stride: usize,
    bias: f32,
) -> [[V; TILE]; TILE] {
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
        let mut lines = [[bias; TILE]; TILE];
        for (line, half) in lines.iter_mut().zip(half) {
            let y = contract(half);
            *line = V::interleave([y[0].add(bias), y[1].add(bias), y[2].add(bias), y[3].add(bias)]);
        }
        lines
    }
}
