//! DICOM images in, and derived series out.

use crate::{DataError, Overwrite, Provenance, Scan, Source, Volume};
use std::path::{Path, PathBuf};

/// placeholder
#[derive(Clone, Debug)]
pub struct DicomSource {}

impl DicomSource {
    pub(crate) fn stored_as(&self) -> String {
        String::new()
    }
}
pub(crate) fn looks_like(start: &[u8]) -> bool {
    start.len() >= 132 && &start[128..132] == b"DICM"
}
pub(crate) fn read_file(path: &Path) -> Result<Scan, DataError> {
    Err(DataError::input(path, "DICOM is not read yet", "wait"))
}
pub(crate) fn read_folder(path: &Path) -> Result<Scan, DataError> {
    Err(DataError::input(path, "DICOM is not read yet", "wait"))
}
pub(crate) fn write(
    path: &Path,
    _volume: &Volume,
    _source: &Source,
    _provenance: &Provenance,
    _overwrite: Overwrite,
) -> Result<Vec<PathBuf>, DataError> {
    Err(DataError::output(path, "DICOM is not written yet", "wait"))
}
