//! The yardstick: as many multiply-adds a second as one thread can do at all.

use crate::kernels::simd::lanes::{LANES, Lanes, Level, dispatch};

/// Does at least `count` multiply-adds of single floats in registers, on this thread, and nothing else.
/// Returns the sum of the accumulators, which stays finite.
///
/// What a kernel reaches is measured against this rate.
pub fn multiply_adds(count: u64) -> f32 {
    let mut sum = 0.0;
    // SAFETY: the level is one of this machine's; there are no pointers.
    unsafe { chains_at(Level::best(), count, &mut sum) };
    sum
}

dispatch!(chains_at => chains(count: u64, sum: &mut f32));

/// Enough independent chains to hide the latency, few enough to stay in the registers.
#[inline(always)]
unsafe fn chains<V: Lanes>(count: u64, sum: &mut f32) {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { if V::WIDE { chain::<V, 16>(count, sum) } else { chain::<V, 6>(count, sum) } }
}

#[inline(always)]
unsafe fn chain<V: Lanes, const CHAINS: usize>(count: u64, sum: &mut f32) {
    // SAFETY: the caller vouches for the instruction set; `out` holds one vector.
    unsafe {
        let (factor, addend) = (V::splat(0.5), V::splat(std::hint::black_box(1.0)));
        let mut totals = [V::splat(0.0); CHAINS];
        for _ in 0..count.div_ceil((CHAINS * LANES) as u64) {
            for total in &mut totals {
                *total = total.mul_add(factor, addend);
            }
        }
        for total in totals {
            let mut out = [0.0; LANES];
            total.store(out.as_mut_ptr());
            *sum += out.iter().sum::<f32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_runs_to_its_limit() {
        // x ← x/2 + 1 tends to 2 in each of the lanes of each chain.
        for level in Level::all() {
            let mut sum = 0.0;
            // SAFETY: the level is one of this machine's.
            unsafe { chains_at(level, 1 << 14, &mut sum) };
            assert!(sum == (2 * 16 * LANES) as f32 || sum == (2 * 6 * LANES) as f32, "{level:?}: {sum}");
        }
    }
}
