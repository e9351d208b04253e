//! The images of a scan, read when they are asked for, or held in memory.

use super::{Remarks, SliceRange};
use crate::Refused;
use anyhow::Result;
use ndarray::{Array2, Array3, Axis};
use recon_data::{Geometry, Modality, Selection, SliceReader, Source, Unit, Volume};
use std::path::Path;

/// A stack of images of one shape.
pub struct Images {
    from: From,
    geometry: Geometry,
    unit: Unit,
    source: Source,
    modality: Option<Modality>,
    keep_axis: bool,
}

enum From {
    File(Box<SliceReader>),
    Memory(Volume),
}

impl Images {
    /// Those of a file or folder, or the `slices` of them, with what a reader of the result should know.
    ///
    /// # Errors
    /// When it cannot be read or has no such slices.
    pub fn open(
        path: &Path,
        slices: Option<SliceRange>,
        selection: Selection<'_>,
    ) -> Result<(Self, Remarks)> {
        let mut reader = recon_data::open_selected(path, selection)?;
        let warnings = reader.warnings().to_vec();
        if let Some(range) = slices {
            let count = reader.shape()[0];
            let kept = range.within(count).ok_or_else(|| no_such_slices(path, range, count))?;
            reader = reader.cut(kept);
        }
        let images = Self {
            geometry: reader.geometry().clone(),
            unit: reader.unit(),
            source: reader.source().clone(),
            modality: reader.modality(),
            keep_axis: has_slice_axis(path),
            from: From::File(Box::new(reader)),
        };
        Ok((images, Remarks::warning(warnings)))
    }

    /// Those of a volume.
    pub fn held(volume: Volume, source: Source) -> Self {
        let (geometry, unit) = (volume.geometry.clone(), volume.unit);
        Self { from: From::Memory(volume), geometry, unit, source, modality: None, keep_axis: true }
    }

    /// Axis lengths (slice, row, col).
    pub fn shape(&self) -> [usize; 3] {
        match &self.from {
            From::File(reader) => reader.shape(),
            From::Memory(volume) => {
                let (slices, rows, cols) = volume.voxels.dim();
                [slices, rows, cols]
            }
        }
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What the numbers mean.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// What kind of file they come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What made them, if the file says so.
    pub fn modality(&self) -> Option<Modality> {
        self.modality
    }

    /// Whether an array of one image keeps its slice axis.
    pub fn keep_axis(&self) -> bool {
        self.keep_axis
    }

    /// The same images with numbers of this meaning.
    #[must_use]
    pub fn in_unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// The image of slice `k`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn slice(&self, k: usize) -> Result<Array2<f32>> {
        match &self.from {
            From::File(reader) => Ok(reader.slice(k)?),
            From::Memory(volume) => Ok(volume.voxels.index_axis(Axis(0), k).to_owned()),
        }
    }

    /// The smallest and the largest value.
    pub fn range(&self) -> (f32, f32) {
        match &self.from {
            From::File(reader) => reader.range(),
            From::Memory(volume) => {
                let none = (f32::INFINITY, f32::NEG_INFINITY);
                volume.voxels.iter().fold(none, |(low, high), &v| (low.min(v), high.max(v)))
            }
        }
    }

    /// Position of slice `k` in micrometres, which names it.
    pub fn position_um(&self, k: usize) -> i64 {
        self.geometry.slice_position_um(k)
    }

    /// Slice `k` alone, held in memory, where it lies.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn single(&self, k: usize) -> Result<Self> {
        let mut geometry = self.geometry.clone();
        let shift = k as f64 * geometry.spacing_mm[0];
        for (origin, direction) in geometry.origin_mm.iter_mut().zip(geometry.direction[0]) {
            *origin += shift * direction;
        }
        let voxels = self.slice(k)?.insert_axis(Axis(0));
        Ok(Self::held(Volume { voxels, geometry, unit: self.unit }, self.source.clone()))
    }

    /// All images, (slice, row, col).
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn all(&self) -> Result<Array3<f32>> {
        let [slices, rows, cols] = self.shape();
        let mut voxels = Array3::zeros((slices, rows, cols));
        for (k, mut slice) in voxels.outer_iter_mut().enumerate() {
            slice.assign(&self.slice(k)?);
        }
        Ok(voxels)
    }

    /// Side of a pixel in mm; arrays take `spacing`, which no other kind may be given.
    ///
    /// # Errors
    /// When pixels are not square, which parallel-beam projection needs.
    pub fn square_spacing(&mut self, spacing: Option<f64>, path: &Path) -> Result<f32, Refused> {
        let sides = &mut self.geometry.spacing_mm;
        match (spacing, &self.source) {
            (Some(side), Source::Npy) => (sides[1], sides[2]) = (side, side),
            (Some(_), _) => {
                let path = path.display();
                return Err(Refused::Usage(format!(
                    "--spacing: {path} has its own spacing; leave the option out"
                )));
            }
            (None, _) => {}
        }
        let [_, row, col] = *sides;
        if (row - col).abs() > 1e-3 * row.max(col) {
            return Err(Refused::Input(format!(
                "{}: pixels of {row} x {col} mm are not square; resample the image first",
                path.display()
            )));
        }
        Ok(col as f32)
    }
}

/// Whether an input is a `.npy` array with a slice axis. What comes of it keeps that axis; one image stays one.
pub fn has_slice_axis(path: &Path) -> bool {
    recon_data::npy::describe(path).is_ok_and(|(shape, _)| shape.len() == 3)
}

/// The refusal of slices that a stack does not have.
pub(super) fn no_such_slices(path: &Path, range: SliceRange, slices: usize) -> Refused {
    Refused::Usage(format!("--slices {range}: {} has slices 0..{slices}; choose within them", path.display()))
}
