//! What a file is, without anything that names a patient.

use crate::nifti::NiftiFile;
use crate::scan::{Kind, kind_of};
use crate::{DataError, Modality, Unit, npy, read};
use serde::Serialize;
use std::path::Path;

/// What a file is and holds. It never carries a patient's name, number or dates.
#[derive(Clone, Debug, Serialize)]
pub struct FileInfo {
    /// `DICOM`, `DICOM series`, `NIfTI-1`, `NIfTI-2` or `NumPy`.
    pub format: String,
    /// What made the images, if the file says so.
    pub modality: Option<Modality>,
    /// Voxels along (slice, row, col); for `.npy` the axes of the array.
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
}

/// Reads a file or folder and tells what it is.
///
/// # Errors
/// As [`read`], except that a complex `.npy` array of up to four axes is described too.
pub fn inspect(path: &Path) -> Result<FileInfo, DataError> {
    let kind = kind_of(path)?;
    if kind == Kind::Npy {
        return inspect_npy(path);
    }
    let scan = read(path)?;
    let (format, stored_as) = match (kind, &scan.source) {
        (Kind::Nifti, _) => {
            let file = NiftiFile::open(path)?;
            (format!("NIfTI-{}", file.version), file.stored_as())
        }
        (Kind::DicomFolder, crate::Source::Dicom(source)) => ("DICOM series".to_owned(), source.stored_as()),
        (_, crate::Source::Dicom(source)) => ("DICOM".to_owned(), source.stored_as()),
        _ => ("unknown".to_owned(), String::new()),
    };
    Ok(FileInfo {
        format,
        modality: scan.modality,
        shape: scan.volume.voxels.shape().to_vec(),
        spacing_mm: Some(scan.volume.geometry.spacing_mm),
        unit: scan.volume.unit,
        stored_as,
        range: range(scan.volume.voxels.iter().copied()),
        slices: scan.volume.voxels.shape()[0],
        warnings: scan.warnings,
    })
}

fn inspect_npy(path: &Path) -> Result<FileInfo, DataError> {
    let (shape, stored_as) = npy::describe(path)?;
    let mut warnings = Vec::new();
    let range = if stored_as.contains('c') {
        // Reading checks that all values are there.
        npy::read_complex(path)?;
        None
    } else {
        let values = npy::read_real(path)?;
        let bad = values.iter().filter(|value| !value.is_finite()).count();
        if bad > 0 {
            warnings.push(format!("{bad} values are NaN or infinite"));
        }
        range(values.iter().copied().filter(|value| value.is_finite()))
    };
    let slices = if shape.len() == 3 { shape[0] } else { 1 };
    Ok(FileInfo {
        format: "NumPy".to_owned(),
        modality: None,
        shape,
        spacing_mm: None,
        unit: Unit::Arbitrary,
        stored_as,
        range,
        slices,
        warnings,
    })
}

fn range(values: impl Iterator<Item = f32>) -> Option<[f32; 2]> {
    values.fold(None, |range, value| {
        let [low, high] = range.unwrap_or([value, value]);
        Some([low.min(value), high.max(value)])
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
