//! Medical volumes with geometry and units; DICOM, NIfTI and `.npy` in and out.
//!
//! Axes are `(slice, row, col)` everywhere, lengths are millimetres, and the unit is part of the volume.

mod units;
mod volume;
pub mod weights;

pub use units::Unit;
pub use volume::{Geometry, Volume};
