//! Raw k-space as scanners and laboratories give it: fastMRI and ISMRMRD HDF5, BART's `.cfl`, complex `.npy`.
//!
//! Whatever the file, a slice is `(coil, row, col)`, k-space is centred (index ⌊n/2⌋ is frequency 0) and belongs to the
//! orthonormal transform of docs/conventions.md. Slices are read one at a time.

mod acquisition;
mod array;
mod cfl;
mod cfl_write;
mod fastmri;
mod guard;
mod hdf5;
mod hdf5_write;
mod index;
mod info;
mod ismrmrd;
mod lzf;
mod pattern;
mod readout;
mod sample;
mod slab;
mod table;
mod xml;

pub use cfl_write::{write_cfl, write_cfl_kspace};
pub use hdf5_write::write_reconstruction;
pub use info::{Frame, NoiseScan, PhaseAxis, RawInfo};

use crate::DataError;
use hdf5::Hdf5;
use ndarray::{Array2, Array3};
use num_complex::Complex32;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What an opened file of any format can do.
trait Kspace: Send + Sync {
    /// Slice `k`, (coil, row, col).
    fn slice(&self, k: usize) -> Result<Array3<Complex32>, DataError>;

    /// Which samples of slice `k` were taken, (row, col), if the file says so.
    fn mask(&self, _k: usize) -> Result<Option<Array2<bool>>, DataError> {
        Ok(None)
    }

    /// The noise scan.
    fn noise(&self) -> Result<Option<NoiseScan>, DataError> {
        Ok(None)
    }

    /// The reconstruction of slice `k` that the file holds, (row, col).
    fn reference(&self, _k: usize) -> Result<Option<Array2<f32>>, DataError> {
        Ok(None)
    }

    /// Which measurement slice `k` is.
    fn frame(&self, k: usize) -> Frame {
        Frame { slice: k, ..Frame::default() }
    }
}

/// A file of a known format: its axes (slice, coil, row, col), what it holds, and the samples.
struct Opened {
    shape: [usize; 4],
    info: RawInfo,
    kspace: Box<dyn Kspace>,
}

/// Raw k-space, read slice by slice.
pub struct RawKspace {
    path: PathBuf,
    opened: Opened,
}

/// The first bytes of HDF5.
const HDF5_MAGIC: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// Whether a file looks like raw k-space: HDF5, or one half of a `.cfl`/`.hdr` pair. Only its first bytes are read; `.npy`
/// does not say what it holds, so it is never raw by itself ([`RawKspace::open_array`] takes it).
pub fn looks_raw(path: &Path) -> bool {
    cfl::is_half(path) || starts_as_hdf5(path)
}

fn starts_as_hdf5(path: &Path) -> bool {
    let mut start = [0; 8];
    let read = crate::open_regular(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == HDF5_MAGIC
}

impl RawKspace {
    /// Opens a fastMRI or ISMRMRD HDF5 file or a BART `.cfl` (or its `.hdr`).
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for what is damaged, claims more than it holds, or is not raw
    /// k-space.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let opened = if cfl::is_half(path) { cfl::open(path)? } else { open_hdf5(path)? };
        Ok(Self { path: path.to_owned(), opened })
    }

    /// Opens a complex `.npy` array (coil, row, col), (row, col) or (slice, coil, row, col).
    ///
    /// # Errors
    /// As [`RawKspace::open`], and for real numbers.
    pub fn open_array(path: &Path) -> Result<Self, DataError> {
        Ok(Self { path: path.to_owned(), opened: array::open(path)? })
    }

    /// Axis lengths (slice, coil, row, col) of what [`RawKspace::slice`] gives.
    pub fn shape(&self) -> [usize; 4] {
        self.opened.shape
    }

    /// What the file holds and what is done with it.
    pub fn info(&self) -> &RawInfo {
        &self.opened.info
    }

    /// Slice `k`: k-space (coil, row, col) in the scale of the file, without the readout oversampling that its header names.
    ///
    /// # Errors
    /// When the file is damaged there, was changed, or has values that are not numbers.
    pub fn slice(&self, k: usize) -> Result<Array3<Complex32>, DataError> {
        self.check(k)?;
        let slice = self.opened.kspace.slice(k)?;
        let bad = slice.iter().filter(|value| !value.is_finite()).count();
        if bad > 0 {
            let what = format!("{bad} samples of slice {k} are NaN or infinite");
            return Err(DataError::input(&self.path, what, "set them to 0, or export the k-space again"));
        }
        Ok(slice)
    }

    /// Which samples of slice `k` were taken, (row, col), if the file says so; without, those that are not zero.
    ///
    /// # Errors
    /// When the file is damaged there.
    pub fn mask(&self, k: usize) -> Result<Option<Array2<bool>>, DataError> {
        self.check(k)?;
        self.opened.kspace.mask(k)
    }

    /// The noise scan, if there is one.
    ///
    /// # Errors
    /// When the file is damaged there.
    pub fn noise(&self) -> Result<Option<NoiseScan>, DataError> {
        self.opened.kspace.noise()
    }

    /// The reconstruction of slice `k` in the file, (row, col): fastMRI's root sum of squares, or its emulated single coil.
    ///
    /// # Errors
    /// When the file is damaged there.
    pub fn reference(&self, k: usize) -> Result<Option<Array2<f32>>, DataError> {
        self.check(k)?;
        self.opened.kspace.reference(k)
    }

    /// Which measurement slice `k` is.
    pub fn frame(&self, k: usize) -> Frame {
        self.opened.kspace.frame(k)
    }

    fn check(&self, k: usize) -> Result<(), DataError> {
        let slices = self.opened.shape[0];
        if k < slices {
            return Ok(());
        }
        let what = format!("has no slice {k}; it has {slices}, counted from 0");
        Err(DataError::input(&self.path, what, "name another slice"))
    }
}

fn open_hdf5(path: &Path) -> Result<Opened, DataError> {
    let file = Hdf5::open(path)?;
    if let Some(kspace) = file.dataset("kspace")? {
        return fastmri::open(file, kspace);
    }
    if let Some(group) = file.group_with(&["data", "xml"])? {
        return ismrmrd::open(file, &group);
    }
    let what = "is an HDF5 file without k-space that is known";
    let advice =
        "it needs a data set named kspace, as fastMRI has, or a group with data and xml, as ISMRMRD has";
    Err(DataError::input(path, what, advice))
}
