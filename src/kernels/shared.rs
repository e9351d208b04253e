//! One output buffer, written by many threads at different places.

use std::marker::PhantomData;

/// A mutable slice that threads may write to in disjoint ranges.
pub(super) struct SharedSlice<'a> {
    start: *mut f32,
    len: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a `&mut [f32]`, which is Send; `range` demands disjoint ranges from whoever shares it.
unsafe impl Send for SharedSlice<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedSlice<'_> {}

impl<'a> SharedSlice<'a> {
    pub(super) fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// The floats `[from, from + count)`.
    ///
    /// # Safety
    /// No two live ranges overlap.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn range(&self, from: usize, count: usize) -> &mut [f32] {
        assert!(from <= self.len && count <= self.len - from, "range outside the output");
        // SAFETY: inside the slice by the assertion, disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), count) }
    }
}
