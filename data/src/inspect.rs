//! What a file is, without anything that names a patient.

use crate::nifti::{ComplexNifti, NiftiFile};
use crate::raw::{RawInfo, RawKspace, looks_raw};
use crate::scan::{Kind, kind_of};
use crate::{DataError, Modality, Unit, npy};
use serde::Serialize;
use std::path::Path;

/// What a file is and holds. It never carries a patient's name, number or dates.
#[derive(Clone, Debug, Serialize)]
pub struct FileInfo {
    /// `DICOM`, `DICOM series`, `NIfTI-1`, `NIfTI-2`, `NumPy`, or what [`RawInfo`] names.
    pub format: String,
    /// What made the images, if the file says so.
    pub modality: Option<Modality>,
    /// Voxels along (slice, row, col); for `.npy` the axes of the array; for raw k-space samples along (slice, coil, row, col).
    pub shape: Vec<usize>,
    /// Distance between voxels along (slice, row, col), mm; absent for `.npy`.
    pub spacing_mm: Option<[f64; 3]>,
    /// What the numbers mean.
    pub unit: Unit,
    /// How numbers are stored: a NumPy type name, for DICOM the transfer syntax.
    pub stored_as: String,
    /// Smallest and largest value after scaling; absent for complex arrays.
    pub range: Option<[f32; 2]>,
    /// Number of slices.
    pub slices: usize,
    /// What a user should know, one sentence each.
    pub warnings: Vec<String>,
    /// What raw k-space holds, and what would be done with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawInfo>,
}

/// Looks through a file or folder, slice by slice, and tells what it is.
///
/// # Errors
/// As [`read`](crate::read), except that raw k-space, complex NIfTI and a complex `.npy` array of up to four axes are
/// described too.
pub fn inspect(path: &Path) -> Result<FileInfo, DataError> {
    if looks_raw(path) {
        return inspect_raw(path);
    }
    let kind = kind_of(path)?;
    if kind == Kind::Npy {
        return inspect_npy(path);
    }
    if kind == Kind::Nifti && ComplexNifti::is_one(path) {
        return inspect_complex(path);
    }
    let reader = crate::open(path)?;
    let (format, stored_as) = match (kind, reader.source()) {
        (Kind::Nifti, _) => {
            let file = NiftiFile::open(path)?;
            (format!("NIfTI-{}", file.version), file.stored_as())
        }
        (Kind::DicomFolder, crate::Source::Dicom(source)) => ("DICOM series".to_owned(), source.stored_as()),
        (_, crate::Source::Dicom(source)) => ("DICOM".to_owned(), source.stored_as()),
        _ => ("unknown".to_owned(), String::new()),
    };
    let (low, high) = reader.range();
    Ok(FileInfo {
        format,
        modality: reader.modality(),
        shape: reader.shape().to_vec(),
        spacing_mm: Some(reader.geometry().spacing_mm),
        unit: reader.unit(),
        stored_as,
        range: Some([low, high]),
        slices: reader.shape()[0],
        warnings: reader.warnings().to_vec(),
        raw: None,
    })
}

fn inspect_raw(path: &Path) -> Result<FileInfo, DataError> {
    let file = RawKspace::open(path)?;
    let info = file.info();
    Ok(FileInfo {
        format: info.format.clone(),
        modality: Some(Modality::Mr),
        shape: file.shape().to_vec(),
        spacing_mm: None,
        unit: Unit::Arbitrary,
        stored_as: "complex".to_owned(),
        range: None,
        slices: info.slices,
        warnings: info.warnings.clone(),
        raw: Some(info.clone()),
    })
}

fn inspect_complex(path: &Path) -> Result<FileInfo, DataError> {
    let file = ComplexNifti::open(path)?;
    let [slices, ..] = file.shape();
    Ok(FileInfo {
        format: file.format(),
        modality: None,
        shape: file.shape().to_vec(),
        spacing_mm: Some(file.geometry().spacing_mm),
        unit: Unit::Arbitrary,
        stored_as: file.stored_as(),
        range: None,
        slices,
        warnings: Vec::new(),
        raw: None,
    })
}

fn inspect_npy(path: &Path) -> Result<FileInfo, DataError> {
    let npy::Survey { shape, descr, range, bad } = npy::survey(path)?;
    let warnings = if bad > 0 { vec![format!("{bad} values are NaN or infinite")] } else { Vec::new() };
    let slices = if shape.len() == 3 { shape[0] } else { 1 };
    Ok(FileInfo {
        format: "NumPy".to_owned(),
        modality: None,
        shape,
        spacing_mm: None,
        unit: Unit::Arbitrary,
        stored_as: descr,
        range,
        slices,
        warnings,
        raw: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Overwrite;
    use ndarray::arr2;

    #[test]
    fn npy_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        npy::write_f64(&path, arr2(&[[1.0, -2.0], [3.0, f64::NAN]]).view(), Overwrite::Refuse).unwrap();
        let info = inspect(&path).unwrap();
        assert_eq!((info.shape.as_slice(), info.range), ([2, 2].as_slice(), Some([-2.0, 3.0])));
        assert_eq!(info.warnings, ["1 values are NaN or infinite"]);
        assert_eq!(info.stored_as, "<f8");
    }
}
