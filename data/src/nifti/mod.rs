//! NIfTI-1 and NIfTI-2, single file or `.hdr`/`.img` pair, plain or gzip, either byte order.
//!
//! Voxel `(i, j, k)` of the file is voxel `(slice k, row j, col i)` of the volume; the file's RAS millimetres
//! become the volume's LPS millimetres.

mod affine;
mod complex;
mod header;
mod read;
mod write;

pub(crate) use header::{NiftiFile, first_bytes, is_half_of_pair, looks_like};
pub(crate) use read::{SlicesOfNifti, read};
pub(crate) use write::write;

pub use complex::{ComplexNifti, ComplexStack, write_complex};

use crate::Geometry;

/// What is needed to write a volume back as the NIfTI file that it came from: the header without the voxels.
#[derive(Clone, Debug)]
pub struct NiftiSource {
    pub(crate) header: Box<::nifti::NiftiHeader>,
    pub(crate) geometry: Geometry,
    pub(crate) shape: [usize; 3],
}
