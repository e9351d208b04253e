//! Complex `.npy` arrays as k-space.

use super::{Kspace, Opened, PhaseAxis, RawInfo, pattern};
use crate::DataError;
use crate::npy::ComplexSlices;
use ndarray::Array3;
use num_complex::Complex32;
use std::path::Path;

/// Opens an array (coil, row, col), (row, col) or (slice, coil, row, col).
pub(super) fn open(path: &Path) -> Result<Opened, DataError> {
    let slices = ComplexSlices::open(path)?;
    let shape = slices.shape();
    let mut info = RawInfo::plain("NumPy", shape);
    info.phase_axis = pattern::phase_axis(&pattern::sampled(&slices.slice(0)?)).unwrap_or(PhaseAxis::Cols);
    Ok(Opened { shape, info, kspace: Box::new(slices) })
}

impl Kspace for ComplexSlices {
    fn slice(&self, k: usize) -> Result<Array3<Complex32>, DataError> {
        ComplexSlices::slice(self, k)
    }
}
