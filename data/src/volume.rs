//! A stack of images in patient space.

use crate::Unit;
use ndarray::{Array3, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// Where the voxels lie: index `(slice, row, col)` to patient millimetres (LPS, as in DICOM).
///
/// The centre of voxel (k, i, j) is
///
/// ```text
/// origin + k·spacing[0]·direction[0] + i·spacing[1]·direction[1] + j·spacing[2]·direction[2]
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Distance between voxel centres along (slice, row, col), mm.
    pub spacing_mm: [f64; 3],
    /// Centre of voxel (0, 0, 0), mm.
    pub origin_mm: [f64; 3],
    /// Unit vectors along which the slice, row and col index grow.
    pub direction: [[f64; 3]; 3],
}

impl Default for Geometry {
    /// Spacing 1 mm, axial, origin at the first voxel.
    fn default() -> Self {
        Self {
            spacing_mm: [1.0; 3],
            origin_mm: [0.0; 3],
            direction: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
        }
    }
}

impl Geometry {
    /// Position of slice `k` along the slice direction, in whole micrometres.
    ///
    /// It names a slice independently of the stack that it was read from, so that noise drawn for a slice
    /// is the same whether the slice comes alone or inside its volume.
    pub fn slice_position_um(&self, slice: usize) -> i64 {
        let along: f64 = self.origin_mm.iter().zip(&self.direction[0]).map(|(o, d)| o * d).sum();
        ((along + slice as f64 * self.spacing_mm[0]) * 1000.0).round() as i64
    }
}

/// A stack of images with the meaning of its axes and numbers.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Axes (slice, row, col).
    pub voxels: Array3<f32>,
    /// Where the voxels lie.
    pub geometry: Geometry,
    /// What the numbers mean.
    pub unit: Unit,
}

impl Volume {
    /// The images of the stack, first slice first.
    pub fn slices(&self) -> impl Iterator<Item = ArrayView2<'_, f32>> {
        self.voxels.axis_iter(Axis(0))
    }
}
