//! Working memory whose vectors never straddle two cache lines.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// One cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Buffers that a thread keeps for its next kernel.
const KEPT: usize = 8;

thread_local! {
    /// Fetching memory from the system and clearing it costs as much as a small convolution. Nothing is
    /// handed on this way: what a buffer held is never read.
    static SHELF: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// Floats that start at a cache line, from and back to the shelf of the thread.
#[derive(Default)]
pub(in crate::kernels) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// At least `len` floats; what they hold is unspecified.
    pub(in crate::kernels) fn new(len: usize) -> Self {
        let wanted = len.div_ceil(16);
        let take = |shelf: &RefCell<Vec<Vec<Line>>>| {
            let shelf = &mut *shelf.borrow_mut();
            let fitting = (0..shelf.len()).filter(|&i| shelf[i].len() >= wanted);
            fitting.min_by_key(|&i| shelf[i].len()).map(|i| shelf.swap_remove(i))
        };
        let kept = SHELF.try_with(take).ok().flatten();
        Self { lines: kept.unwrap_or_else(|| vec![Line([0.0; 16]); wanted]) }
    }

    /// Makes room for `len` floats; what they hold is unspecified.
    pub(in crate::kernels) fn grow(&mut self, len: usize) {
        if self.len() < len {
            *self = Self::new(len);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        let put = |shelf: &RefCell<Vec<Vec<Line>>>| {
            let shelf = &mut *shelf.borrow_mut();
            shelf.push(lines);
            if shelf.len() > KEPT
                && let Some(least) = (0..shelf.len()).min_by_key(|&i| shelf[i].len())
            {
                shelf.swap_remove(least);
            }
        };
        // The shelf is gone when the thread ends; then so is the buffer.
        let _ = SHELF.try_with(put);
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: a line is 16 floats without padding.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), 16 * self.lines.len()) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), 16 * self.lines.len()) }
    }
}
