//! Images to a file of the kind that its name says.

use crate::format::Format;
use crate::{
    DataError, Geometry, ImageStack, Overwrite, Provenance, Source, Volume, atomic, dicom, nifti, npy,
};
use ndarray::{Array2, Axis};
use std::path::{Path, PathBuf};

/// Writes `volume` in the format of `path` and returns the files written; see [`write_stack`].
///
/// # Errors
/// As [`write_stack`].
pub fn write(
    path: &Path,
    volume: &Volume,
    source: &Source,
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<Vec<PathBuf>, DataError> {
    let slice = |k: usize| Ok(volume.voxels.index_axis(Axis(0), k).to_owned());
    let (slices, rows, cols) = volume.voxels.dim();
    let shape = [slices, rows, cols];
    let stack = ImageStack { shape, geometry: &volume.geometry, unit: volume.unit, slice: &slice };
    write_stack(path, &stack, source, provenance, overwrite)
}

/// Writes images in the format of `path` and returns the files written.
///
/// DICOM: a `.dcm` name takes one slice; any other name, or several slices, become a folder with a file per
/// slice. NIfTI keeps the header of a NIfTI source. Attenuation is written to DICOM in Hounsfield units.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], or [`DataError::Output`] for an unknown format, values that are not
/// finite, or what the format cannot hold; and whatever a slice ends with.
pub fn write_stack(
    path: &Path,
    stack: &ImageStack<'_>,
    source: &Source,
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<Vec<PathBuf>, DataError> {
    let slice = |k: usize| finite(path, (stack.slice)(k)?);
    let stack = ImageStack { slice: &slice, ..*stack };
    match Format::of_path(path) {
        Some(Format::Dicom) => return dicom::write(path, &stack, source, provenance, overwrite),
        Some(Format::Nifti) => {
            let header = if let Source::Nifti(header) = source { Some(header) } else { None };
            let known_place = !matches!(source, Source::Npy);
            nifti::write(path, &stack, (header, known_place), provenance, overwrite)?;
        }
        Some(Format::Npy) => npy::write_slices(path, &stack.shape, (stack.shape[0], &slice), overwrite)?,
        None => {
            let advice = "end the name in .dcm, .nii, .nii.gz or .npy, or name a folder for a DICOM series";
            return Err(DataError::output(path, "has an unknown extension", advice));
        }
    }
    Ok(vec![path.to_owned()])
}

/// Writes images to a `.npy` array without its slice axis: one image, (row, col).
///
/// # Errors
/// As [`write_stack`], and when there is not exactly one image.
pub fn write_single(path: &Path, stack: &ImageStack<'_>, overwrite: Overwrite) -> Result<(), DataError> {
    let [slices, rows, cols] = stack.shape;
    if slices != 1 {
        let what = format!("{slices} slices are not one image");
        return Err(DataError::output(path, what, "keep the slice axis"));
    }
    let slice = |k: usize| finite(path, (stack.slice)(k)?);
    npy::write_slices(path, &[rows, cols], (1, &slice), overwrite)
}

fn finite(path: &Path, slice: Array2<f32>) -> Result<Array2<f32>, DataError> {
    if slice.iter().all(|value| value.is_finite()) {
        return Ok(slice);
    }
    let what = "the image has NaN or infinite values";
    Err(DataError::output(path, what, "this is a fault of the method; try another seed or method"))
}

/// Fails when the format of `path` cannot hold images that lie so.
///
/// # Errors
/// [`DataError::Output`]
pub fn check_place(path: &Path, geometry: &Geometry) -> Result<(), DataError> {
    if Format::of_path(path) == Some(Format::Dicom) { dicom::check_place(path, geometry) } else { Ok(()) }
}

/// Fails with [`DataError::Exists`] when the output of [`write()`] is there already, before the long work starts.
///
/// # Errors
/// See above.
pub fn check_output(path: &Path, overwrite: Overwrite) -> Result<(), DataError> {
    if path.is_dir() {
        return atomic::replaceable(path, overwrite).map(|_| ());
    }
    atomic::refuse_existing(path, overwrite)
}
