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
    /// What names the run beside its input, such as a digest of all its settings.
    pub run: String,
    /// How the numbers came about.
    pub derivation: Derivation,
    /// The seed of the run; with the voxels it names the series, so the same run gives the same identifiers.
    pub seed: u64,
}

/// How an image was derived from its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Derivation {
    /// In a way that has no name of its own.
    #[default]
    Other,
    /// By filtered back-projection.
    FilteredBackProjection,
    /// Step by step.
    Iterative,
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
