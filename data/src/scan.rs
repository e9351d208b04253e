//! A scan from a file or folder of any supported kind.

use crate::dicom::{self, DicomSource};
use crate::nifti::{self, NiftiSource};
use crate::{DataError, Geometry, Unit, Volume, error::check_finite, npy};
use ndarray::{Array3, Ix2, Ix3};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;

/// What made the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// X-ray computed tomography.
    Ct,
    /// Magnetic resonance.
    Mr,
}

/// What is needed to write a volume back as the kind of file that it came from; it holds no pixels.
#[derive(Clone, Debug)]
pub enum Source {
    /// DICOM: the attributes of patient, study and acquisition.
    Dicom(DicomSource),
    /// NIfTI: the header.
    Nifti(NiftiSource),
    /// `.npy`: nothing.
    Npy,
}

/// A volume and where it came from.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The images.
    pub volume: Volume,
    /// What is needed to write the same kind of file.
    pub source: Source,
    /// What made the images, if the file says so.
    pub modality: Option<Modality>,
    /// What a reader of the result should know, one sentence each.
    pub warnings: Vec<String>,
}

/// The kind of a file by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dicom,
    DicomFolder,
    Nifti,
    Npy,
}

/// Reads a DICOM file or a folder with one DICOM series, a NIfTI file, or a `.npy` image (row, col) or volume
/// (slice, row, col). The kind is told from the content.
///
/// CT DICOM comes in Hounsfield units, everything else in [`Unit::Arbitrary`].
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for what is damaged, inconsistent, not supported, or holds
/// NaN or infinite values.
pub fn read(path: &Path) -> Result<Scan, DataError> {
    let scan = read_as_it_is(path, None)?;
    check_finite(path, &scan.volume.voxels)?;
    Ok(scan)
}

/// What [`read`] reads, be its values finite or not; of a folder the series of this name.
pub(crate) fn read_as_it_is(path: &Path, series: Option<&str>) -> Result<Scan, DataError> {
    match kind_of(path)? {
        Kind::Dicom => dicom::read_file(path),
        Kind::DicomFolder => dicom::read_folder(path, series),
        Kind::Nifti => nifti::read(path),
        Kind::Npy => read_npy(path),
    }
}

fn read_npy(path: &Path) -> Result<Scan, DataError> {
    let array = npy::read_real(path)?;
    let axes = array.ndim();
    let wrong = |_| {
        let what =
            format!("has {axes} axes; an image has two (row, col) and a volume three (slice, row, col)");
        DataError::input(path, what, "select one image or volume")
    };
    let voxels: Array3<f32> = if axes == 2 {
        array.into_dimensionality::<Ix2>().map_err(wrong)?.insert_axis(ndarray::Axis(0))
    } else {
        array.into_dimensionality::<Ix3>().map_err(wrong)?
    };
    let volume = Volume { voxels, geometry: Geometry::default(), unit: Unit::Arbitrary };
    Ok(Scan { volume, source: Source::Npy, modality: None, warnings: Vec::new() })
}

/// The kind of a file or folder, told from its first bytes.
pub(crate) fn kind_of(path: &Path) -> Result<Kind, DataError> {
    if path.is_dir() {
        return Ok(Kind::DicomFolder);
    }
    let mut start = Vec::new();
    crate::open_regular(path)
        .and_then(|file| file.take(544).read_to_end(&mut start))
        .map_err(|source| DataError::unreadable(path, source))?;
    if start.is_empty() {
        return Err(DataError::input(path, "is empty", "copy or save it again"));
    }
    if start.starts_with(npy::MAGIC) {
        return Ok(Kind::Npy);
    }
    if dicom::looks_like(&start) {
        return Ok(Kind::Dicom);
    }
    if start.starts_with(&[0x1f, 0x8b]) {
        return kind_of_compressed(path);
    }
    if nifti::looks_like(&start) || nifti::is_half_of_pair(path) {
        return Ok(Kind::Nifti);
    }
    Err(unknown(path, &start))
}

fn kind_of_compressed(path: &Path) -> Result<Kind, DataError> {
    let start = nifti::first_bytes(path)?;
    if nifti::looks_like(&start) || nifti::is_half_of_pair(path) {
        return Ok(Kind::Nifti);
    }
    if start.starts_with(&[0, 0, 0, 1]) {
        return Err(DataError::input(
            path,
            "is a FreeSurfer MGZ volume",
            "convert it with mri_convert to .nii.gz",
        ));
    }
    Err(DataError::input(path, "is compressed, but not NIfTI", "decompress it first"))
}

fn unknown(path: &Path, start: &[u8]) -> DataError {
    let (what, advice) = if start.starts_with(b"\x89HDF") {
        ("is an HDF5 file, which holds measurements and not an image", "save the image as .npy")
    } else if start.starts_with(b"\x89PNG") || start.starts_with(&[0xff, 0xd8, 0xff]) {
        ("is a picture, which has neither spacing nor physical values", "give the DICOM or NIfTI original")
    } else if start.starts_with(b"NRRD") {
        ("is an NRRD file", "convert it to NIfTI")
    } else if start.starts_with(b"PK") {
        ("is an archive", "unpack it first")
    } else {
        ("is neither DICOM nor NIfTI nor .npy", "give one of these, or a folder with one DICOM series")
    };
    DataError::input(path, what, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Overwrite;
    use ndarray::{Array, Array1};

    #[test]
    fn an_image_is_a_volume_of_one_slice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.data");
        npy::write_real(&path, Array::<f32, _>::ones((3, 4)).view(), Overwrite::Refuse).unwrap();
        let scan = read(&path).unwrap();
        assert_eq!(scan.volume.voxels.dim(), (1, 3, 4));
        assert_eq!(scan.volume.unit, Unit::Arbitrary);
    }

    #[test]
    fn what_is_no_image_is_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let message = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let text = read(&path).unwrap_err().to_string();
            assert!(text.starts_with(&path.display().to_string()) && text.lines().count() == 1, "{text}");
            text
        };
        assert!(message(b"").contains("empty"));
        assert!(message(b"\x89HDF\r\n").contains("HDF5"));
        assert!(message(b"hello").contains("neither"));
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("cannot be read"));
        npy::write_real(&path, Array1::<f32>::ones(3).view(), Overwrite::Force).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("1 axes"));
        npy::write_real(&path, ndarray::arr2(&[[1.0, f32::NAN]]).view(), Overwrite::Force).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("1 values are NaN"));
    }
}
