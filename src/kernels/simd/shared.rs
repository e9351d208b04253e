//! One output buffer, written by many threads at different places.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Floats that threads write in disjoint ranges; they need not hold anything before.
pub(in crate::kernels) struct SharedSlice<'a> {
    start: *mut f32,
    len: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a `&mut [MaybeUninit<f32>]`, which is Send; whoever shares it promises disjoint ranges.
unsafe impl Send for SharedSlice<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedSlice<'_> {}

impl SharedSlice<'_> {
    /// Where the floats `[from, from + count)` stand; they are inside.
    ///
    /// To write there, no other thread may use an overlapping range at the same time.
    pub(in crate::kernels) fn range(&self, from: usize, count: usize) -> *mut f32 {
        assert!(from <= self.len && count <= self.len - from, "range outside the output");
        // SAFETY: inside the allocation by the assertion.
        unsafe { self.start.add(from) }
    }

    /// Writes `values` from `from` on.
    ///
    /// # Safety
    /// No other thread uses the range at the same time.
    pub(in crate::kernels) unsafe fn write(&self, from: usize, values: impl ExactSizeIterator<Item = f32>) {
        let count = values.len();
        let to = self.range(from, count);
        for (i, v) in values.take(count).enumerate() {
            // SAFETY: `range` checked this many.
            unsafe { to.add(i).write(v) };
        }
    }
}

/// A vector of `len` floats that `write` fills, without touching the memory before.
///
/// # Safety
/// `write` writes every float.
pub(in crate::kernels) unsafe fn written(len: usize, write: impl FnOnce(&SharedSlice<'_>)) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(len);
    write(&SharedSlice { start: values.as_mut_ptr(), len, life: PhantomData });
    // SAFETY: the capacity is there and the caller promises that all is written.
    unsafe { values.set_len(len) };
    values
}

/// Does every task once, each thread with memory of its own; the order does not matter to the result.
pub(in crate::kernels) fn share_out<T: Sync, W>(
    tasks: &[T],
    memory: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, &T) + Sync,
) {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut own = memory();
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(&mut own, task);
        }
    };
    let threads = rayon::current_num_threads().min(tasks.len());
    rayon::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| run());
        }
        run();
    });
}
