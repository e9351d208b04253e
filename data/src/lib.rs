//! Medical volumes with geometry and units; DICOM, NIfTI and `.npy` in and out.
//!
//! Axes are `(slice, row, col)` everywhere, lengths are millimetres, and the unit is part of the volume.
//!
//! [`read`] takes whatever a user gives and returns a [`Scan`]; [`write()`] puts a volume back as the kind of file
//! that the name of the output says. Every error is one line that names the file, the problem and the remedy.

pub mod atomic;
mod dicom;
pub mod digest;
mod error;
mod format;
mod inspect;
mod nifti;
pub mod npy;
mod output;
mod quiet;
pub mod raw;
mod regular;
mod scan;
mod slices;
mod stack;
mod store;
mod units;
mod volume;
pub mod weights;

pub use atomic::Overwrite;
pub use dicom::{Deidentifier, DicomSource, Series, StoredScale, network, series, sha256_series};
pub use error::{DataError, DataErrorKind, check_finite};
pub use format::{Format, default_output, resolve_output};
pub use inspect::{FileInfo, inspect};
pub use nifti::{ComplexNifti, ComplexStack, NiftiSource, write_complex};
pub use output::{check_output, check_place, write, write_single, write_stack};
pub use regular::{open_regular, read_text};
pub use scan::{Modality, Scan, Source, read};
pub use slices::{Selection, SliceReader, open, open_selected, shape};
pub use stack::{Derivation, ImageStack, Provenance};
pub use store::{Leftovers, SliceStore};
pub use units::{
    AIR_HOUNSFIELD, SURELY_HOUNSFIELD, Unit, WATER_ATTENUATION, attenuation_to_hounsfield,
    hounsfield_to_attenuation, hounsfield_to_signed_attenuation,
};
pub use volume::{Geometry, Volume};
