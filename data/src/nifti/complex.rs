//! Complex images in NIfTI, both ways.

use super::NiftiSource;
use super::header::{NiftiFile, open};
use super::read::{cut_short, decode, shape_of, skip, source_of};
use super::write::{Stored, header_for, write_images};
use crate::{DataError, Geometry, Overwrite, Provenance, Source};
use ndarray::Array2;
use num_complex::Complex32;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A NIfTI file of complex voxels (type 32 or 1792), read image by image.
pub struct ComplexNifti {
    path: PathBuf,
    file: NiftiFile,
    source: Source,
    geometry: Geometry,
}

impl ComplexNifti {
    /// Whether a file has a NIfTI header that says so.
    pub fn is_one(path: &Path) -> bool {
        NiftiFile::open_any(path).is_ok_and(|file| file.voxel.is_complex())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for what is damaged or not one volume of complex voxels.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let file = NiftiFile::open_any(path)?;
        if !file.voxel.is_complex() {
            return Err(DataError::input(path, "holds real voxels", "give it as an image"));
        }
        let (source, geometry) = source_of(&file);
        Ok(Self { path: path.to_owned(), file, source, geometry })
    }

    /// Axis lengths (slice, row, col).
    pub fn shape(&self) -> [usize; 3] {
        shape_of(&self.file)
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What is needed to write the same kind of file.
    pub fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn format(&self) -> String {
        format!("NIfTI-{}", self.file.version)
    }

    pub(crate) fn stored_as(&self) -> String {
        self.file.stored_as()
    }

    /// Image `k`, (row, col), scaled as the header says: the slope for both parts, the intercept for the real one.
    ///
    /// # Errors
    /// When there is no such slice, the file is cut short, or values are not numbers.
    pub fn slice(&self, k: usize) -> Result<Array2<Complex32>, DataError> {
        let [slices, rows, cols] = self.shape();
        if k >= slices {
            let what = format!("has no slice {k}; it has {slices}, counted from 0");
            return Err(DataError::input(&self.path, what, "name another slice"));
        }
        let length = self.file.image_bytes();
        let cut = |got: u64| cut_short(&self.path, got, (length * slices) as u64);
        let mut reader = open(&self.file.data_path)?;
        skip(&mut reader, self.file.data_offset + (k * length) as u64).map_err(|_| cut(0))?;
        let mut raw = Vec::new();
        let outcome = reader.take(length as u64).read_to_end(&mut raw);
        if outcome.is_err() || raw.len() != length {
            return Err(cut((k * length + raw.len()) as u64));
        }
        let mut parts = Vec::new();
        decode(&raw, &self.file, &mut parts);
        // The intercept is a real number, and has been added to both parts.
        let intercept = self.file.scale.1 as f32;
        let (pairs, _) = parts.as_chunks::<2>();
        let values: Vec<_> = pairs.iter().map(|&[re, im]| Complex32::new(re, im - intercept)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            let what = format!("has values in slice {k} that are NaN or infinite");
            return Err(DataError::input(&self.path, what, "replace them by a number"));
        }
        Array2::from_shape_vec((rows, cols), values)
            .map_err(|error| DataError::input(&self.path, error.to_string(), "copy the file again"))
    }
}

/// Complex images to be written, asked for one after another.
#[derive(Clone, Copy)]
pub struct ComplexStack<'a> {
    /// Axis lengths (slice, row, col).
    pub shape: [usize; 3],
    /// Where the voxels lie.
    pub geometry: &'a Geometry,
    /// Slice `k`, (row, col).
    pub slice: &'a dyn Fn(usize) -> Result<Array2<Complex32>, DataError>,
}

/// Writes complex images (type 32, COMPLEX64) to `.nii` or `.nii.gz`; the header of a NIfTI `source` is kept as long as the
/// images lie on its voxels.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], [`DataError::Output`] for what NIfTI-1 cannot hold or values that are not
/// finite, and whatever a slice ends with.
pub fn write_complex(
    path: &Path,
    stack: &ComplexStack<'_>,
    source: &Source,
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    let (nifti, known_place): (Option<&NiftiSource>, bool) = match source {
        Source::Nifti(header) => (Some(header), true),
        Source::Npy => (None, false),
        Source::Dicom(_) => (None, true),
    };
    let mut header = header_for((stack.shape, stack.geometry), nifti, known_place, provenance);
    // Real voxels get this from the writer of the crate, which does not know complex ones.
    (header.scl_slope, header.scl_inter) = (1.0, 0.0);
    let image = |k: usize| {
        let image = (stack.slice)(k)?;
        if image.shape() != &stack.shape[1..] || image.iter().any(|value| !value.is_finite()) {
            let what = format!("image {k} has another shape, or values that are not finite");
            return Err(DataError::output(path, what, "write such images to .npy"));
        }
        Ok(image
            .iter()
            .flat_map(|value| [value.re.to_le_bytes(), value.im.to_le_bytes()])
            .flatten()
            .collect())
    };
    write_images(path, stack.shape, (&header, Stored::Complex64), &image, overwrite)
}
