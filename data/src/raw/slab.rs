//! Three-dimensional k-space as slices: the readout becomes positions, and each position is a slice.
//!
//! Only the readout can be transformed before reconstruction, as it alone is sampled in full. Every slice then needs every line,
//! so slices are made many at a time, and as many are kept.

use super::readout::Readout;
use crate::DataError;
use ndarray::Array3;
use num_complex::Complex32;
use std::sync::{Mutex, PoisonError};

/// Memory for slices that are made together, bytes.
const TOGETHER: u64 = 512 << 20;

/// Takes one line along the readout, of this (coil, row, col).
pub(super) type TakeLine<'a> = &'a mut dyn FnMut([usize; 3], &mut Vec<Complex32>);

/// Slices along the readout, made many at a time.
pub(super) struct Slabs {
    readout: Readout,
    plane: [usize; 3],
    /// Slices that are made together.
    count: usize,
    kept: Mutex<Option<Slab>>,
}

struct Slab {
    frame: usize,
    first: usize,
    slices: Vec<Array3<Complex32>>,
}

impl Slabs {
    /// For slices of this (coil, row, col); all that are kept take at most `most` bytes, but one is always.
    pub(super) fn new(readout: Readout, plane: [usize; 3], most: u64) -> Self {
        let bytes = plane.iter().map(|&n| n as u64).product::<u64>().max(1) * 8;
        let fit = (TOGETHER.min(most) / bytes).clamp(1, readout.kept() as u64) as usize;
        // All blocks of one size, so that the last pass is not for a few slices.
        let count = readout.kept().div_ceil(readout.kept().div_ceil(fit));
        Self { readout, plane, count, kept: Mutex::default() }
    }

    /// Slice `k`, counted through the positions of one frame after another; `lines` gives every line of a frame.
    pub(super) fn slice(
        &self,
        k: usize,
        lines: impl FnOnce(usize, TakeLine<'_>) -> Result<(), DataError>,
    ) -> Result<Array3<Complex32>, DataError> {
        let (frame, x) = (k / self.readout.kept(), k % self.readout.kept());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slab) = kept.as_ref().filter(|slab| slab.frame == frame)
            && let Some(slice) = x.checked_sub(slab.first).and_then(|at| slab.slices.get(at))
        {
            return Ok(slice.clone());
        }
        // Freed before the next ones are made.
        *kept = None;
        let first = x / self.count * self.count;
        let slices = self.made(frame, first, lines)?;
        let slice = slices[x - first].clone();
        *kept = Some(Slab { frame, first, slices });
        Ok(slice)
    }

    fn made(
        &self,
        frame: usize,
        first: usize,
        lines: impl FnOnce(usize, TakeLine<'_>) -> Result<(), DataError>,
    ) -> Result<Vec<Array3<Complex32>>, DataError> {
        let count = self.count.min(self.readout.kept() - first);
        let mut slices = vec![Array3::zeros(self.plane); count];
        lines(frame, &mut |at, line| {
            self.readout.positions(line);
            for (slice, value) in slices.iter_mut().zip(&line[first..]) {
                if let Some(entry) = slice.get_mut(at) {
                    *entry += *value;
                }
            }
        })?;
        Ok(slices)
    }
}
