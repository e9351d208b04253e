//! A volume to NIfTI-1 with 32-bit floats.

use super::NiftiSource;
use super::affine::put_geometry;
use crate::{DataError, Overwrite, Provenance, Volume, atomic};
use ::nifti::NiftiHeader;
use ::nifti::writer::WriterOptions;
use std::path::Path;

/// Bytes before the voxels of a file without extensions.
const DATA_OFFSET: u64 = 352;
const LONGEST_DESCRIPTION: usize = 79;

/// Writes `path` (`.nii` or `.nii.gz`).
///
/// The header of a NIfTI source is kept (qform, sform, codes, voxel size, units) as long as the volume still
/// lies on its voxels; else one is made from the geometry.
///
/// # Errors
/// [`DataError::Exists`], [`DataError::Io`], or [`DataError::Output`] for what NIfTI-1 cannot hold.
pub(crate) fn write(
    path: &Path,
    volume: &Volume,
    source: Option<&NiftiSource>,
    provenance: &Provenance,
    overwrite: Overwrite,
) -> Result<(), DataError> {
    if volume.voxels.shape().iter().any(|&length| length == 0 || length > 32767) {
        let what = format!("NIfTI cannot hold the shape {:?}", volume.voxels.shape());
        return Err(DataError::output(path, what, "write .npy instead"));
    }
    let header = header_for(volume, source, provenance);
    atomic::write_with(path, overwrite, |temporary| {
        // The writer transposes from (i, j, k), which is what this view is.
        WriterOptions::new(temporary)
            .reference_header(&header)
            .write_nifti(&volume.voxels.t())
            .map_err(|error| failed(path, error))?;
        check_length(path, temporary, volume)
    })
}

fn failed(path: &Path, error: ::nifti::NiftiError) -> DataError {
    match error {
        ::nifti::NiftiError::Io(source) => DataError::io(path, source),
        other => DataError::output(path, crate::error::whole_chain(&other), "write .npy instead"),
    }
}

/// A full disk can be met while the writer's last buffer is dropped, which says nothing.
fn check_length(path: &Path, temporary: &Path, volume: &Volume) -> Result<(), DataError> {
    let length = std::fs::metadata(temporary).map_err(|source| DataError::io(path, source))?.len();
    let plain = temporary.extension().is_some_and(|extension| extension == "nii");
    if plain && length != DATA_OFFSET + 4 * volume.voxels.len() as u64 {
        return Err(DataError::io(path, std::io::ErrorKind::WriteZero.into()));
    }
    Ok(())
}

fn header_for(volume: &Volume, source: Option<&NiftiSource>, provenance: &Provenance) -> NiftiHeader {
    let kept = source.filter(|s| s.geometry == volume.geometry && s.shape == volume.voxels.shape());
    let mut header = match kept {
        Some(source) => source.header.as_ref().clone(),
        None => {
            let mut header = NiftiHeader::default();
            put_geometry(&mut header, &volume.geometry);
            header
        }
    };
    // The file of another program may carry names in its free text, and its display range no longer holds.
    header.descrip = description(provenance);
    header.aux_file = [0; 24];
    header.db_name = [0; 18];
    (header.cal_min, header.cal_max) = (0.0, 0.0);
    (header.glmin, header.glmax) = (0, 0);
    header.fix();
    header
}

fn description(provenance: &Provenance) -> Vec<u8> {
    let text =
        format!("recon {}; not for diagnostic use; {}", provenance.version, provenance.series_description);
    let ascii = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'?' });
    let mut bytes: Vec<u8> = ascii.take(LONGEST_DESCRIPTION).collect();
    bytes.resize(80, 0);
    bytes
}
