//! Outputs that are either whole or not there: a temporary file beside the target, flushed, then renamed.

use crate::DataError;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempDir, TempPath};

/// What to do when the output exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it and fail with [`DataError::Exists`].
    Refuse,
    /// Replace it.
    Force,
}

/// Lets `write` fill a temporary file in a private folder beside `path`, flushes it to disk and gives it its name.
///
/// The temporary file has the name of `path`. Nothing is left when anything fails; what a killed process has left is
/// removed by the next one.
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
    let io = |source| DataError::io(path, source);
    let folder = folder_of(path);
    let workshop = Workshop::new(&folder).map_err(io)?;
    let temporary = workshop.path().join(path.file_name().unwrap_or_default());
    write(&temporary)?;
    File::open(&temporary).and_then(|file| file.sync_all()).map_err(io)?;
    let temporary = TempPath::try_from_path(temporary).map_err(io)?;
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
pub fn write_folder_with<E: From<DataError>>(
    path: &Path,
    overwrite: Overwrite,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let replaced = replaceable(path, overwrite)?;
    let io = |source| DataError::io(path, source);
    let parent = folder_of(path);
    let workshop = Workshop::new(&parent).map_err(io)?;
    let (made, aside) = (workshop.path().join("new"), workshop.path().join("old"));
    // With the permissions that the user gives to new folders; nobody else gets to it before it is renamed.
    std::fs::create_dir(&made).map_err(io)?;
    write(&made)?;
    if replaced {
        std::fs::rename(path, &aside).map_err(io)?;
    }
    if let Err(source) = std::fs::rename(&made, path) {
        if replaced {
            // Best effort: the old folder gets its name back, the error reported is the first one.
            let _ = std::fs::rename(&aside, path);
        }
        return Err(io(source).into());
    }
    sync_folder(&parent);
    Ok(())
}

/// Whether there is a folder to be replaced.
///
/// # Errors
/// When there is something that may not be.
pub(crate) fn replaceable(path: &Path, overwrite: Overwrite) -> Result<bool, DataError> {
    if path.is_file() {
        return Err(DataError::output(
            path,
            "is a file where a folder should be written",
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
            "is a folder that holds more than .dcm files, so it is not replaced",
            "name another folder",
        ));
    }
    Ok(true)
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

/// A private folder for what is not finished, which is removed with everything in it.
///
/// A lock in it says that its process is alive, on whatever machine that shares the disk.
struct Workshop {
    folder: TempDir,
    _lock: Option<File>,
}

/// What the names of these folders begin with.
const PREFIX: &str = ".recon-";
/// How many random letters follow.
const RANDOM: usize = 12;
/// The file that is locked.
const LOCK: &str = "lock";

/// How often a folder is made that others sweep away before it is locked.
const ATTEMPTS: usize = 1000;

impl Workshop {
    fn new(parent: &Path) -> std::io::Result<Self> {
        sweep(parent);
        let mut builder = Builder::new();
        builder.prefix(PREFIX).rand_bytes(RANDOM);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        for _ in 0..ATTEMPTS {
            let folder = builder.tempdir_in(parent)?;
            match locked(folder.path())? {
                Locked::Held(lock) => return Ok(Self { folder, _lock: Some(lock) }),
                // Then a folder that is left behind stays.
                Locked::NoLocks => return Ok(Self { folder, _lock: None }),
                Locked::Swept => {}
            }
        }
        Err(std::io::Error::other("another program removes the folders for unfinished work"))
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What came of locking a new folder.
enum Locked {
    Held(File),
    /// The file system has none.
    NoLocks,
    /// Another process took it for left behind, as it was not locked yet.
    Swept,
}

fn locked(folder: &Path) -> std::io::Result<Locked> {
    let path = folder.join(LOCK);
    let file = match File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Locked::Swept),
        Err(error) => return Err(error),
    };
    Ok(match file.try_lock() {
        // Who sweeps holds the lock while it deletes: what is there with the lock held stays.
        Ok(()) if path.exists() => Locked::Held(file),
        Ok(()) | Err(TryLockError::WouldBlock) => Locked::Swept,
        Err(TryLockError::Error(_)) => Locked::NoLocks,
    })
}

/// Removes the unfinished work that killed processes have left in a folder: nothing holds its lock any more. All that goes
/// wrong here is left as it is. Everything that is written does this first.
pub fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match File::open(path.join(LOCK)) {
            Ok(lock) if is_folder && lock.try_lock().is_ok() => {
                let _ = std::fs::remove_dir_all(&path);
            }
            Ok(_) => {}
            // Killed before there was a lock; only a folder with nothing in it is removed.
            Err(_) if is_folder && entry.file_name().len() == PREFIX.len() + RANDOM => {
                let _ = std::fs::remove_dir(&path);
            }
            Err(_) => {}
        }
    }
}

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
    fn what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let living = Workshop::new(folder.path()).unwrap();
        let dead = folder.path().join(".recon-dead");
        std::fs::create_dir(&dead).unwrap();
        for name in [LOCK, "half.npy"] {
            std::fs::write(dead.join(name), b"x").unwrap();
        }
        let foreign = folder.path().join(".recon-config");
        let unlocked = folder.path().join(".recon-0123456789ab");
        [&foreign, &unlocked].iter().for_each(|path| std::fs::create_dir(path).unwrap());
        write_bytes(&folder.path().join("a.npy"), b"x", Overwrite::Refuse).unwrap();
        assert!(!dead.exists() && !unlocked.exists());
        assert!(foreign.exists() && living.path().exists());
    }

    #[test]
    fn writers_into_one_folder_do_not_sweep_each_other_away() {
        let folder = tempfile::tempdir().unwrap();
        let write = |thread: usize| {
            for k in 0..40 {
                write_bytes(&folder.path().join(format!("{thread}-{k}")), b"x", Overwrite::Refuse).unwrap();
            }
        };
        std::thread::scope(|scope| (0..8).for_each(|thread| drop(scope.spawn(move || write(thread)))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 320);
    }

    #[cfg(unix)]
    #[test]
    fn unfinished_work_is_private_and_what_is_finished_is_as_the_user_has_it() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let plain = folder.path().join("plain");
        std::fs::create_dir(&plain).unwrap();
        let path = folder.path().join("out");
        write_folder_with(&path, Overwrite::Refuse, |made| {
            assert_eq!(mode(made.parent().unwrap()), 0o700);
            std::fs::write(made.join("1.dcm"), b"x").map_err(|source| DataError::io(made, source))
        })
        .unwrap();
        assert_eq!(mode(&path), mode(&plain));
        let (file, other) = (folder.path().join("a.npy"), folder.path().join("b.npy"));
        write_bytes(&file, b"x", Overwrite::Refuse).unwrap();
        std::fs::write(&other, b"x").unwrap();
        assert_eq!(mode(&file), mode(&other));
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
