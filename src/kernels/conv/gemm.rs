//! Small dense products over blocks of positions, the inner loops of both convolutions.
//!
//! Positions (tiles or pixels) run along the vector; channels are broadcast. Any channel count works.

use crate::kernels::simd::lanes::{LANES, Lanes, dispatch};

/// Output channels that are computed together.
pub(in crate::kernels) const PANEL: usize = 8;
/// Side of the square of channels whose correlation is computed together.
pub(in crate::kernels) const SIDE: usize = 4;

/// `out[p][t] = Σ_c u[c][p] v[c][t]` for `p < PANEL` and `t < 16 · groups`.
///
/// `u` is `[depth][PANEL]`; rows of `v` and `out` lie `stride` apart.
///
/// # Safety
/// `u`, `v` and `out` cover these ranges; the instruction set of `V` is there.
#[inline(always)]
pub(in crate::kernels) unsafe fn panel_product<V: Lanes>(
    u: *const f32,
    v: *const f32,
    out: *mut f32,
    stride: usize,
    depth: usize,
    groups: usize,
) {
    // SAFETY: the caller's promise; every offset stays below 16 · groups in its row.
    unsafe {
        let mut g = 0;
        // Four vectors go two and two: one alone leaves the multipliers waiting.
        while V::WIDE && groups - g >= 3 && groups - g != 4 {
            micro::<V, 8, 3>(u, v.add(LANES * g), out.add(LANES * g), stride, depth);
            g += 3;
        }
        while V::WIDE && groups - g >= 2 {
            micro::<V, 8, 2>(u, v.add(LANES * g), out.add(LANES * g), stride, depth);
            g += 2;
        }
        while g < groups {
            if V::WIDE {
                micro::<V, 8, 1>(u, v.add(LANES * g), out.add(LANES * g), stride, depth);
            } else {
                micro::<V, 4, 1>(u, v.add(LANES * g), out.add(LANES * g), stride, depth);
                micro::<V, 4, 1>(u.add(4), v.add(LANES * g), out.add(LANES * g + 4 * stride), stride, depth);
            }
            g += 1;
        }
    }
}

/// `P` output channels times `N` vectors, all accumulators in registers.
#[inline(always)]
unsafe fn micro<V: Lanes, const P: usize, const N: usize>(
    u: *const f32,
    v: *const f32,
    out: *mut f32,
    stride: usize,
    depth: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[V::splat(0.0); N]; P];
        for c in 0..depth {
            let row = v.add(c * stride);
            let mut x = [V::splat(0.0); N];
            for (n, x) in x.iter_mut().enumerate() {
                *x = V::load(row.add(LANES * n));
            }
            for (p, acc) in acc.iter_mut().enumerate() {
                let weight = V::splat(*u.add(PANEL * c + p));
                for n in 0..N {
                    acc[n] = x[n].mul_add(weight, acc[n]);
                }
            }
        }
        for (p, acc) in acc.iter().enumerate() {
            for (n, a) in acc.iter().enumerate() {
                a.store(out.add(p * stride + LANES * n));
            }
        }
    }
}

/// `sum[4 j + i] += Σ_t a[i][t] b[j][t]` for `i, j < SIDE` and `t < 16 · groups`.
///
/// # Safety
/// `a` and `b` have `SIDE` rows, `stride` apart, `sum` 16 floats; the instruction set of `V` is there.
#[inline(always)]
pub(in crate::kernels) unsafe fn correlate<V: Lanes>(
    a: *const f32,
    b: *const f32,
    sum: *mut f32,
    stride: usize,
    groups: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut acc = [[V::splat(0.0); SIDE]; SIDE];
        for g in 0..groups {
            let mut y = [V::splat(0.0); SIDE];
            for (j, y) in y.iter_mut().enumerate() {
                *y = V::load(b.add(j * stride + LANES * g));
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let x = V::load(a.add(i * stride + LANES * g));
                for j in 0..SIDE {
                    acc[j] = x.mul_add(y[j], acc[j]);
                }
            }
        }
        // Two interleavings add the lanes of 16 accumulators: lane 4j + i holds the total of acc[i][j].
        let mut partial = [V::splat(0.0); SIDE];
        for (i, acc) in acc.iter().enumerate() {
            partial[i] = add4(V::interleave(*acc));
        }
        V::load(sum).add(add4(V::interleave(partial))).store(sum);
    }
}

#[inline(always)]
unsafe fn add4<V: Lanes>(v: [V; 4]) -> V {
    // SAFETY: only arithmetic.
    unsafe { v[0].add(v[1]).add(v[2].add(v[3])) }
}

#[inline(always)]
unsafe fn correlate_all<V: Lanes>(
    a: &[f32],
    a_rows: usize,
    b: &[f32],
    b_rows: usize,
    sums: &mut [f32],
    stride: usize,
    groups: usize,
) {
    assert!(a.len() + stride >= a_rows * stride + LANES * groups && stride >= LANES * groups);
    assert!(b.len() + stride >= b_rows * stride + LANES * groups);
    assert!(sums.len() >= a_rows * b_rows && a_rows.is_multiple_of(SIDE) && b_rows.is_multiple_of(SIDE));
    for i in (0..a_rows).step_by(SIDE) {
        for j in (0..b_rows).step_by(SIDE) {
            let at = (i / SIDE * (b_rows / SIDE) + j / SIDE) * SIDE * SIDE;
            // SAFETY: the assertions bound every row and sum.
            unsafe {
                let (a, b) = (a.as_ptr().add(i * stride), b.as_ptr().add(j * stride));
                correlate::<V>(a, b, sums.as_mut_ptr().add(at), stride, groups);
            }
        }
    }
}
dispatch!(
    /// `sums[i/4][j/4][4 (j%4) + i%4] += Σ_t a[i][t] b[j][t]`; row counts are multiples of [`SIDE`].
    correlate_rows => correlate_all(
        a: &[f32], a_rows: usize, b: &[f32], b_rows: usize, sums: &mut [f32], stride: usize, groups: usize,
    )
);

/// Where [`correlate_rows`] keeps the sum of rows `i` and `j`.
pub(in crate::kernels) fn correlation_index(i: usize, j: usize, b_rows: usize) -> usize {
    (i / SIDE * (b_rows / SIDE) + j / SIDE) * SIDE * SIDE + SIDE * (j % SIDE) + i % SIDE
}

/// Weights `w(k, c)` in the layout of [`panel_product`]: `[k / PANEL][c][k % PANEL]`, zero beyond `outputs`.
pub(in crate::kernels) fn pack_panels(
    outputs: usize,
    inputs: usize,
    weight: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let mut packed = vec![0.0; outputs.next_multiple_of(PANEL) * inputs];
    for (k, c) in (0..outputs).flat_map(|k| (0..inputs).map(move |c| (k, c))) {
        packed[(k / PANEL * inputs + c) * PANEL + k % PANEL] = weight(k, c);
    }
    packed
}
