//! What is written: images one after another, and what is said about them.

use crate::{DataError, Geometry, Unit};
use ndarray::Array2;

/// What is written into the file about how the volume was made.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// How it was derived; DICOM keeps 1024 characters.
    pub description: String,
    /// The name of the series; DICOM keeps 64 characters.
    pub series_description: String,
    /// A remark for the reader of the images.
    pub comments: String,
    /// Version of the program.
    pub version: String,
    /// The seed of the run; with the voxels it names the series, so the same run gives the same identifiers.
    pub seed: u64,
}

/// Images to be written. They are asked for one after another, some formats ask twice, so that a long stack need not be
/// in memory.
#[derive(Clone, Copy)]
pub struct ImageStack<'a> {
    /// Axis lengths (slice, row, col).
    pub shape: [usize; 3],
    /// Where the voxels lie.
    pub geometry: &'a Geometry,
    /// What the numbers mean.
    pub unit: Unit,
    /// Slice `k`, (row, col).
    pub slice: &'a dyn Fn(usize) -> Result<Array2<f32>, DataError>,
}
