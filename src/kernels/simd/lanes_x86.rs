//! The vectors of x86-64.

use crate::kernels::simd::lanes::Lanes;
use std::arch::x86_64::*;

/// One 512-bit register.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Avx512(__m512);

/// Two 256-bit registers: lanes 0 to 7 and 8 to 15.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Avx2([__m256; 2]);

// SAFETY of all blocks below: the trait's callers vouch for the instruction set and for the pointers.

impl Lanes for Avx512 {
    const WIDE: bool = true;
    const FUSED: bool = true;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }
    #[inline(always)]
    unsafe fn deinterleave(m: [Self; 4]) -> [Self; 4] {
        // SAFETY: see above.
        unsafe {
            // Pairs (a, b) and (c, d) are the even and odd 64-bit halves; then the pairs come apart.
            let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
            let odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
            let pick = |x: Self, index, y: Self| {
                _mm512_castpd_ps(_mm512_permutex2var_pd(_mm512_castps_pd(x.0), index, _mm512_castps_pd(y.0)))
            };
            let (ab0, cd0) = (pick(m[0], even, m[1]), pick(m[0], odd, m[1]));
            let (ab1, cd1) = (pick(m[2], even, m[3]), pick(m[2], odd, m[3]));
            let first = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let second = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            [
                Self(_mm512_permutex2var_ps(ab0, first, ab1)),
                Self(_mm512_permutex2var_ps(ab0, second, ab1)),
                Self(_mm512_permutex2var_ps(cd0, first, cd1)),
                Self(_mm512_permutex2var_ps(cd0, second, cd1)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn interleave(p: [Self; 4]) -> [Self; 4] {
        // SAFETY: see above.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            let zip = |x: Self, index, y: Self| _mm512_castps_pd(_mm512_permutex2var_ps(x.0, index, y.0));
            let (ab0, cd0) = (zip(p[0], low, p[1]), zip(p[2], low, p[3]));
            let (ab1, cd1) = (zip(p[0], high, p[1]), zip(p[2], high, p[3]));
            let first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            let second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            [
                Self(_mm512_castpd_ps(_mm512_permutex2var_pd(ab0, first, cd0))),
                Self(_mm512_castpd_ps(_mm512_permutex2var_pd(ab0, second, cd0))),
                Self(_mm512_castpd_ps(_mm512_permutex2var_pd(ab1, first, cd1))),
                Self(_mm512_castpd_ps(_mm512_permutex2var_pd(ab1, second, cd1))),
            ]
        }
    }
}

impl Lanes for Avx2 {
    const WIDE: bool = false;
    const FUSED: bool = true;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        unsafe { Self([_mm256_set1_ps(value); 2]) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        unsafe { Self([_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))]) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_ps(to, self.0[0]);
            _mm256_storeu_ps(to.add(8), self.0[1]);
        }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self([_mm256_add_ps(self.0[0], other.0[0]), _mm256_add_ps(self.0[1], other.0[1])]) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self([_mm256_sub_ps(self.0[0], other.0[0]), _mm256_sub_ps(self.0[1], other.0[1])]) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self([_mm256_mul_ps(self.0[0], other.0[0]), _mm256_mul_ps(self.0[1], other.0[1])]) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            Self([
                _mm256_fmadd_ps(self.0[0], factor.0[0], addend.0[0]),
                _mm256_fmadd_ps(self.0[1], factor.0[1], addend.0[1]),
            ])
        }
    }
    #[inline(always)]
    unsafe fn deinterleave(m: [Self; 4]) -> [Self; 4] {
        // SAFETY: see above.
        unsafe {
            let low = deinterleave8([m[0].0[0], m[0].0[1], m[1].0[0], m[1].0[1]]);
            let high = deinterleave8([m[2].0[0], m[2].0[1], m[3].0[0], m[3].0[1]]);
            [
                Self([low[0], high[0]]),
                Self([low[1], high[1]]),
                Self([low[2], high[2]]),
                Self([low[3], high[3]]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn interleave(p: [Self; 4]) -> [Self; 4] {
        // SAFETY: see above.
        unsafe {
            let low = interleave8([p[0].0[0], p[1].0[0], p[2].0[0], p[3].0[0]]);
            let high = interleave8([p[0].0[1], p[1].0[1], p[2].0[1], p[3].0[1]]);
            [
                Self([low[0], low[1]]),
                Self([low[2], low[3]]),
                Self([high[0], high[1]]),
                Self([high[2], high[3]]),
            ]
        }
    }
}

/// Eight four-tuples apart: tuples to their 128-bit halves, then a 4x4 transpose in each half.
#[inline(always)]
unsafe fn deinterleave8(y: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: see above.
    unsafe {
        let p0 = _mm256_permute2f128_ps::<0x20>(y[0], y[2]);
        let p1 = _mm256_permute2f128_ps::<0x31>(y[0], y[2]);
        let p2 = _mm256_permute2f128_ps::<0x20>(y[1], y[3]);
        let p3 = _mm256_permute2f128_ps::<0x31>(y[1], y[3]);
        transpose4([p0, p1, p2, p3])
    }
}

/// The inverse of [`deinterleave8`].
#[inline(always)]
unsafe fn interleave8(parts: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: see above.
    unsafe {
        let p = transpose4(parts);
        [
            _mm256_permute2f128_ps::<0x20>(p[0], p[1]),
            _mm256_permute2f128_ps::<0x20>(p[2], p[3]),
            _mm256_permute2f128_ps::<0x31>(p[0], p[1]),
            _mm256_permute2f128_ps::<0x31>(p[2], p[3]),
        ]
    }
}

/// A 4x4 transpose in each 128-bit half.
#[inline(always)]
unsafe fn transpose4(p: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: see above.
    unsafe {
        let (u0, u1) = (_mm256_unpacklo_ps(p[0], p[1]), _mm256_unpackhi_ps(p[0], p[1]));
        let (u2, u3) = (_mm256_unpacklo_ps(p[2], p[3]), _mm256_unpackhi_ps(p[2], p[3]));
        [
            _mm256_shuffle_ps::<0x44>(u0, u2),
            _mm256_shuffle_ps::<0xee>(u0, u2),
            _mm256_shuffle_ps::<0x44>(u1, u3),
            _mm256_shuffle_ps::<0xee>(u1, u3),
        ]
    }
}
