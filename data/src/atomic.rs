//! Outputs that are either whole or not there: a temporary file beside the target, flushed, then renamed.

use crate::DataError;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempDir};

/// What to do when the output exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it and fail with [`DataError::Exists`].
    Refuse,
    /// Replace it.
    Force,
}

/// Lets `write` fill a temporary file in the folder of `path`, flushes it to disk and gives it its name.
///
/// The temporary file has the extension of `path`. Nothing is left when anything fails.
///
/// # Errors
/// [`DataError::Exists`] if `path` exists and may not be replaced, [`DataError::Io`] if the folder cannot be
/// written, and whatever `write` returns.
pub fn write_with(
    path: &Path,
    overwrite: Overwrite,
    write: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<(), DataError> {
    refuse_existing(path, overwrite)?;
    if path.is_dir() {
        return Err(DataError::output(path, "is a folder", "name a file"));
    }
    let folder = folder_of(path);
    let temporary = builder(&suffix_of(path))
        .tempfile_in(&folder)
        .map_err(|source| DataError::io(path, source))?
        .into_temp_path();
    write(&temporary)?;
    File::open(&temporary).and_then(|file| file.sync_all()).map_err(|source| DataError::io(path, source))?;
    match overwrite {
        Overwrite::Force => temporary.persist(path),
        Overwrite::Refuse => temporary.persist_noclobber(path),
    }
    .map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => DataError::Exists { path: path.to_owned() },
        _ => DataError::io(path, error.error),
    })?;
    sync_folder(&folder);
    Ok(())
}

/// Writes `bytes` as [`write_with`] does.
///
/// # Errors
/// As [`write_with`].
pub fn write_bytes(path: &Path, bytes: &[u8], overwrite: Overwrite) -> Result<(), DataError> {
    write_with(path, overwrite, |temporary| {
        File::create(temporary)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|source| DataError::io(path, source))
    })
}

/// Lets `write` fill a temporary folder beside `path` and gives it its name.
///
/// An existing folder is replaced under [`Overwrite::Force`] only if it holds `.dcm` files alone, so that
/// a wrong path never deletes anything else; an empty one is always taken.
///
/// # Errors
/// As [`write_with`].
pub fn write_folder_with(
    path: &Path,
    overwrite: Overwrite,
    write: impl FnOnce(&Path) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let replaced = replaceable(path, overwrite)?;
    let parent = folder_of(path);
    let temporary = builder("").tempdir_in(&parent).map_err(|source| DataError::io(path, source))?;
    open_to_all(temporary.path());
    write(temporary.path())?;
    let aside = if replaced { Some(move_aside(path, &parent)?) } else { None };
    if let Err(source) = std::fs::rename(temporary.path(), path) {
        if let Some(aside) = &aside {
            // Best effort: the old folder gets its name back, the error reported is the first one.
            let _ = std::fs::rename(aside.path().join("old"), path);
        }
        return Err(DataError::io(path, source));
    }
    let _ = temporary.keep();
    sync_folder(&parent);
    Ok(())
}

fn replaceable(path: &Path, overwrite: Overwrite) -> Result<bool, DataError> {
    if path.is_file() {
        return Err(DataError::output(
            path,
            "is a file, and a folder is to be written",
            "name another folder",
        ));
    }
    let Ok(entries) = std::fs::read_dir(path) else { return Ok(false) };
    let names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    if names.is_empty() {
        return Ok(false);
    }
    refuse_existing(path, overwrite)?;
    if names.iter().any(|name| name.extension().is_none_or(|extension| extension != "dcm")) {
        return Err(DataError::output(
            path,
            "is a folder that holds other things than .dcm files, so it is not replaced",
            "name another folder",
        ));
    }
    Ok(true)
}

fn move_aside(path: &Path, parent: &Path) -> Result<TempDir, DataError> {
    let aside = builder("").tempdir_in(parent).map_err(|source| DataError::io(path, source))?;
    std::fs::rename(path, aside.path().join("old")).map_err(|source| DataError::io(path, source))?;
    Ok(aside)
}

/// Fails with [`DataError::Exists`] when something is at `path` and may not be replaced.
///
/// # Errors
/// See above. Commands call it before the long work, the writers call it again.
pub fn refuse_existing(path: &Path, overwrite: Overwrite) -> Result<(), DataError> {
    if overwrite == Overwrite::Refuse && path.symlink_metadata().is_ok() {
        return Err(DataError::Exists { path: path.to_owned() });
    }
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `.nii.gz` for a name that ends so, else the extension: some writers choose the format from it.
fn suffix_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if name.ends_with(".nii.gz") {
        return ".nii.gz".to_owned();
    }
    path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default()
}

fn builder(suffix: &str) -> Builder<'static, 'static> {
    // The builder borrows the suffix, so only the two that a writer looks at are kept.
    let known = match suffix.to_lowercase().as_str() {
        ".nii.gz" => ".nii.gz",
        ".nii" => ".nii",
        _ => ".tmp",
    };
    let mut builder = Builder::new();
    builder.prefix(".recon-").suffix(known);
    #[cfg(unix)]
    if !suffix.is_empty() {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private by default; an output follows the user's umask.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

#[cfg(unix)]
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // The umask cannot be read without changing it, so the folder follows the mode of its parent.
    let mode =
        folder.parent().and_then(|parent| parent.metadata().ok()).map_or(0o755, |m| m.permissions().mode());
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode & 0o777));
}

#[cfg(not(unix))]
fn open_to_all(_folder: &Path) {}

/// A rename is durable once its folder is flushed; where folders cannot be opened the file is whole anyway.
fn sync_folder(folder: &Path) {
    if let Ok(handle) = File::open(folder) {
        let _ = handle.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_when_writing_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let failed = write_with(&path, Overwrite::Refuse, |temporary| {
            std::fs::write(temporary, b"half").unwrap();
            Err(DataError::output(&path, "no", "no"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn existing_files_are_refused_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_bytes(&path, b"one", Overwrite::Refuse).unwrap();
        let error = write_bytes(&path, b"two", Overwrite::Refuse).unwrap_err();
        assert_eq!(error.kind(), crate::DataErrorKind::Exists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_bytes(&path, b"two", Overwrite::Force).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_with_other_files_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let fill = |temporary: &Path| {
            std::fs::write(temporary.join("1.dcm"), b"x").map_err(|source| DataError::io(temporary, source))
        };
        write_folder_with(&path, Overwrite::Refuse, fill).unwrap();
        assert!(matches!(write_folder_with(&path, Overwrite::Refuse, fill), Err(DataError::Exists { .. })));
        write_folder_with(&path, Overwrite::Force, fill).unwrap();
        std::fs::write(path.join("thesis.tex"), b"x").unwrap();
        assert!(matches!(write_folder_with(&path, Overwrite::Force, fill), Err(DataError::Output { .. })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
