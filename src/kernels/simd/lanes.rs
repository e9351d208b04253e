//! Sixteen floats at a time, on whatever the machine has.
//!
//! Every kernel is written once, generic over [`Lanes`], and compiled for each instruction set by
//! [`dispatch!`]. The arithmetic is the same sequence of fused operations on AVX-512 and AVX2, so these two
//! give the same bits.

/// Floats in a vector.
pub(in crate::kernels) const LANES: usize = 16;

/// An instruction set that this machine is known to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Level(pub(in crate::kernels) Kind);

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Kind {
    /// AVX-512 Foundation.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What the compiler makes of plain loops.
    Portable,
}

impl Level {
    /// Every level of this machine, the fastest first.
    pub(in crate::kernels) fn all() -> Vec<Self> {
        let mut all = Vec::with_capacity(3);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                all.push(Self(Kind::Avx512));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Self(Kind::Avx2));
            }
        }
        all.push(Self(Kind::Portable));
        all
    }

    /// The fastest level of this machine.
    pub(in crate::kernels) fn best() -> Self {
        Self::all()[0]
    }
}

/// A vector of [`LANES`] floats.
///
/// # Safety
/// Every method needs the instruction set of its type; pointers must be valid for the floats they cover.
pub(in crate::kernels) trait Lanes: Copy {
    /// Whether 24 accumulators fit into the registers.
    const WIDE: bool;
    /// Whether `mul_add` is one instruction.
    const FUSED: bool;
    /// The same value in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// The floats at `from`.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes the floats to `to`.
    unsafe fn store(self, to: *mut f32);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self − other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self · other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self · factor + addend`.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `[a, b, c, d]` from 64 floats `a₀ b₀ c₀ d₀ a₁ …`.
    unsafe fn deinterleave(mixed: [Self; 4]) -> [Self; 4];
    /// The inverse of [`Lanes::deinterleave`].
    unsafe fn interleave(parts: [Self; 4]) -> [Self; 4];

    /// Four vectors from 64 floats.
    #[inline(always)]
    unsafe fn load4(from: *const f32) -> [Self; 4] {
        // SAFETY: the caller vouches for 64 floats and the instruction set.
        unsafe {
            [Self::load(from), Self::load(from.add(16)), Self::load(from.add(32)), Self::load(from.add(48))]
        }
    }
}

/// Sixteen floats in an array.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Portable([f32; LANES]);

impl Lanes for Portable {
    const WIDE: bool = false;
    const FUSED: bool = false;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for 16 floats at `from`.
        unsafe { Self(from.cast::<[f32; LANES]>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for 16 floats at `to`.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a += b;
        }
        self
    }
    #[inline(always)]
    unsafe fn sub(mut self, other: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a -= b;
        }
        self
    }
    #[inline(always)]
    unsafe fn mul(mut self, other: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a *= b;
        }
        self
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, mut addend: Self) -> Self {
        // Not `f32::mul_add`: without hardware support that is a library call per float.
        for (i, c) in addend.0.iter_mut().enumerate() {
            *c += self.0[i] * factor.0[i];
        }
        addend
    }
    #[inline(always)]
    unsafe fn deinterleave(mixed: [Self; 4]) -> [Self; 4] {
        let mut out = [Self([0.0; LANES]); 4];
        for i in 0..4 * LANES {
            out[i % 4].0[i / 4] = mixed[i / LANES].0[i % LANES];
        }
        out
    }
    #[inline(always)]
    unsafe fn interleave(parts: [Self; 4]) -> [Self; 4] {
        let mut out = [Self([0.0; LANES]); 4];
        for i in 0..4 * LANES {
            out[i / LANES].0[i % LANES] = parts[i % 4].0[i / 4];
        }
        out
    }
}

/// Compiles `$generic::<impl Lanes>` for every instruction set and picks by [`Level`].
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident => $generic:ident($($arg:ident: $ty:ty),* $(,)?)) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub(in crate::kernels) unsafe fn $name(level: $crate::kernels::simd::lanes::Level, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($arg: $ty),*) {
                // SAFETY: the feature is enabled here; the rest is the caller's promise.
                unsafe { $generic::<$crate::kernels::simd::lanes_x86::Avx512>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($arg: $ty),*) {
                // SAFETY: the feature is enabled here; the rest is the caller's promise.
                unsafe { $generic::<$crate::kernels::simd::lanes_x86::Avx2>($($arg),*) }
            }
            // SAFETY: a `Level` exists only for detected features; the rest is the caller's promise.
            unsafe {
                match level.0 {
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernels::simd::lanes::Kind::Avx512 => avx512($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::kernels::simd::lanes::Kind::Avx2 => avx2($($arg),*),
                    $crate::kernels::simd::lanes::Kind::Portable => {
                        $generic::<$crate::kernels::simd::lanes::Portable>($($arg),*)
                    }
                }
            }
        }
    };
}
pub(in crate::kernels) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(always)]
    unsafe fn exercise<V: Lanes>(input: &[f32; 64], output: &mut [f32; 192]) {
        // SAFETY: both arrays are long enough for the loads and stores below.
        unsafe {
            let mixed = V::load4(input.as_ptr());
            let parts = V::deinterleave(mixed);
            let back = V::interleave(parts);
            for i in 0..4 {
                parts[i].store(output.as_mut_ptr().add(16 * i));
                back[i].store(output.as_mut_ptr().add(64 + 16 * i));
                let sum = parts[i].mul_add(V::splat(2.0), back[i]).sub(V::splat(1.0)).add(parts[i]);
                sum.store(output.as_mut_ptr().add(128 + 16 * i));
            }
        }
    }
    dispatch!(exercise_at => exercise(input: &[f32; 64], output: &mut [f32; 192]));

    #[test]
    fn every_level_shuffles_and_adds_alike() {
        let input: [f32; 64] = std::array::from_fn(|i| i as f32);
        for level in Level::all() {
            let mut out = [0.0; 192];
            // SAFETY: the arrays have the lengths that `exercise` wants.
            unsafe { exercise_at(level, &input, &mut out) };
            for i in 0..64 {
                let part = (4 * (i % 16) + i / 16) as f32;
                assert_eq!(out[i], part, "{level:?}");
                assert_eq!(out[64 + i], i as f32, "{level:?}");
                assert_eq!(out[128 + i], 3.0 * part + i as f32 - 1.0, "{level:?}");
            }
        }
    }
}
