//! Which files are meant by files and folders.

use super::file::Outgoing;
use crate::dicom::file::looks_like;
use crate::{DataError, open_regular};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders inside one another that are gone into.
const DEEPEST: usize = 32;
/// More files than this are a mistake.
const MOST_FILES: usize = 1 << 20;

/// The DICOM files among these paths, in a fixed order; of folders, all that is in them and is DICOM.
///
/// # Errors
/// [`DataError`] for a path that is no DICOM file, cannot be read, or holds none.
pub(super) fn collect(paths: &[PathBuf]) -> Result<Vec<Outgoing>, DataError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            walk(path, 0, &mut files)?;
            if files.len() == before {
                return Err(DataError::input(path, "holds no DICOM file", "give another folder"));
            }
        } else {
            files.push(path.clone());
        }
    }
    files.iter().map(|path| Outgoing::open(path)).collect()
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let unreadable = |source| DataError::unreadable(folder, source);
    let mut inside = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            // A link is not followed into a folder, which may be the one that it is in.
            inside.push((entry.path(), entry.file_type().map_err(unreadable)?.is_dir()));
        }
    }
    inside.sort();
    for (path, is_folder) in inside {
        if is_folder && depth < DEEPEST {
            walk(&path, depth + 1, files)?;
        } else if path.is_file() && is_dicom(&path)? {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(DataError::input(folder, "holds too many files", "give a part of it"));
        }
    }
    Ok(())
}

/// Sidecars and pictures beside images are not sent; neither is the directory of a disc, which names patients.
fn is_dicom(path: &Path) -> Result<bool, DataError> {
    if path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("DICOMDIR")) {
        return Ok(false);
    }
    let mut start = Vec::new();
    open_regular(path)
        .and_then(|file| file.take(144).read_to_end(&mut start))
        .map_err(|source| DataError::unreadable(path, source))?;
    Ok(looks_like(&start))
}
