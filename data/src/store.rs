//! The slices of a result that are finished, a file each, until all of them are.

use crate::atomic::{self, Overwrite};
use crate::{DataError, digest};
use ndarray::{Array2, ArrayView2};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A folder with a file a slice.
///
/// A file is written under a temporary name, flushed and renamed, and holds the digest of its content, so that a slice
/// is there as a whole or not at all, whatever happens to the process or the machine.
pub struct SliceStore {
    folder: PathBuf,
}

/// What happens to the slices that an earlier run has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leftovers {
    /// They are deleted.
    #[default]
    Discard,
    /// They are kept; those of something else are an error.
    Demand,
    /// They are kept, or deleted if they are of something else.
    Use,
}

/// The file that makes a folder a store, with the key of what it holds.
const KEY_FILE: &str = "recon-slices";

/// What a file of a slice begins with.
const MAGIC: &[u8] = b"recon slice 1\n";

impl SliceStore {
    /// Opens the store in `folder`, or makes it. `key` names everything that decides the slices.
    ///
    /// `leftovers` says what happens to what an earlier run has left.
    ///
    /// # Errors
    /// [`DataError::Exists`] when the folder is not a store; [`DataError::Input`] when the store to be resumed holds slices of
    /// something else; [`DataError::Io`].
    pub fn create_or_resume(folder: &Path, key: &str, leftovers: Leftovers) -> Result<Self, DataError> {
        let failed = |source| DataError::io(folder, source);
        if folder.symlink_metadata().is_ok() {
            let Ok(found) = std::fs::read_to_string(folder.join(KEY_FILE)) else {
                return Err(DataError::Exists { path: folder.to_owned() });
            };
            if leftovers != Leftovers::Discard && found == key {
                return Ok(Self { folder: folder.to_owned() });
            }
            if leftovers == Leftovers::Demand {
                let what = "holds slices of another input, method or version";
                return Err(DataError::input(folder, what, "leave out --resume to begin again"));
            }
            remove(folder).map_err(failed)?;
        }
        // Made under another name, so that a store without its key is never left under this one.
        let begun = aside(folder, "new");
        remove(&begun).map_err(failed)?;
        std::fs::create_dir(&begun).map_err(failed)?;
        let key_file = begun.join(KEY_FILE);
        let kept = atomic::write_bytes(&key_file, key.as_bytes(), Overwrite::Refuse)
            .and_then(|()| std::fs::rename(&begun, folder).map_err(failed));
        kept.map_err(|error| or_taken(folder, error))?;
        Ok(Self { folder: folder.to_owned() })
    }

    fn file(&self, k: usize) -> PathBuf {
        self.folder.join(format!("{k:06}.slice"))
    }

    /// Whether slice `k` is finished.
    pub fn has(&self, k: usize) -> bool {
        self.load(k).is_ok()
    }

    /// Keeps slice `k`: named images and a record.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn put(
        &self,
        k: usize,
        images: &[(&str, ArrayView2<'_, f32>)],
        record: &Value,
    ) -> Result<(), DataError> {
        let list: Vec<_> = images.iter().map(|(name, image)| (name, image.nrows(), image.ncols())).collect();
        let head = serde_json::json!({ "images": list, "record": record }).to_string();
        let mut content = (head.len() as u64).to_le_bytes().to_vec();
        content.extend(head.as_bytes());
        for (_, image) in images {
            content.extend(image.iter().flat_map(|value| value.to_le_bytes()));
        }
        let sum = digest::sha256_bytes(&content);
        let bytes = [MAGIC, sum.as_bytes(), &content].concat();
        atomic::write_bytes(&self.file(k), &bytes, Overwrite::Force).map_err(|error| self.or_taken(error))
    }

    /// The image of this name of slice `k`.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged file or one without such an image.
    pub fn image(&self, k: usize, name: &str) -> Result<Array2<f32>, DataError> {
        let Slice { head, values } = self.load(k).map_err(|error| self.or_taken(error))?;
        let none = || damaged(&self.file(k), format!("holds no image {name}"));
        let mut start = 0;
        for entry in head["images"].as_array().into_iter().flatten() {
            let (found, rows, cols) = entry_of(entry).ok_or_else(none)?;
            let length = 4 * rows * cols;
            if found == name {
                let bytes = values.get(start..start + length).ok_or_else(none)?;
                let (groups, _) = bytes.as_chunks::<4>();
                let numbers = groups.iter().map(|&group| f32::from_le_bytes(group)).collect();
                return Array2::from_shape_vec((rows, cols), numbers).map_err(|_| none());
            }
            start += length;
        }
        Err(none())
    }

    /// The record of slice `k`.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for a damaged file.
    pub fn record(&self, k: usize) -> Result<Value, DataError> {
        Ok(self.load(k).map_err(|error| self.or_taken(error))?.head["record"].take())
    }

    /// Deletes the store.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn remove(self) -> Result<(), DataError> {
        remove(&self.folder).map_err(|source| DataError::io(&self.folder, source))
    }

    /// The error, or what is behind it where a file of the store is not there.
    fn or_taken(&self, error: DataError) -> DataError {
        or_taken(&self.folder, error)
    }

    fn load(&self, k: usize) -> Result<Slice, DataError> {
        let path = self.file(k);
        let bytes = std::fs::read(&path).map_err(|source| DataError::unreadable(&path, source))?;
        let cut = || damaged(&path, "is damaged".to_owned());
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(cut)?;
        let (sum, content) = rest.split_at_checked(64).ok_or_else(cut)?;
        if digest::sha256_bytes(content).as_bytes() != sum {
            return Err(cut());
        }
        let (length, rest) = content.split_first_chunk::<8>().ok_or_else(cut)?;
        let (head, values) = rest.split_at_checked(u64::from_le_bytes(*length) as usize).ok_or_else(cut)?;
        let head = serde_json::from_slice(head).map_err(|_| cut())?;
        Ok(Slice { head, values: values.to_vec() })
    }
}

/// The content of a file.
struct Slice {
    head: Value,
    values: Vec<u8>,
}

fn entry_of(entry: &Value) -> Option<(&str, usize, usize)> {
    let side = |at: usize| entry[at].as_u64().and_then(|side| usize::try_from(side).ok());
    Some((entry[0].as_str()?, side(1)?, side(2)?))
}

/// Nobody but another process that writes the same output takes a file out of a store that is open.
fn or_taken(folder: &Path, error: DataError) -> DataError {
    let (DataError::Unreadable { source, .. } | DataError::Io { source, .. }) = &error else { return error };
    if source.kind() != std::io::ErrorKind::NotFound {
        return error;
    }
    DataError::Output {
        path: folder.to_owned(),
        what: "another process that writes the same output has removed it".to_owned(),
        advice: "wait for that process, or name another output".to_owned(),
    }
}

fn damaged(path: &Path, what: String) -> DataError {
    DataError::input(path, what, "begin again without --resume")
}

/// A name beside the folder.
fn aside(folder: &Path, ending: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}.{ending}"))
}

/// Removes a store, if there is one: under another name, so that one which is half gone is never taken for whole.
fn remove(folder: &Path) -> std::io::Result<()> {
    let gone = aside(folder, "old");
    if gone.exists() {
        std::fs::remove_dir_all(&gone)?;
    }
    if !folder.exists() {
        return Ok(());
    }
    std::fs::rename(folder, &gone)?;
    std::fs::remove_dir_all(&gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use serde_json::json;

    #[test]
    fn what_a_kill_left_of_making_or_removing_a_store_is_in_nobodys_way() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("store");
        for ending in ["new", "old"] {
            let left = aside(&folder, ending);
            std::fs::create_dir(&left).expect("made");
            std::fs::write(left.join("000000.slice"), b"half").expect("written");
        }
        let store = SliceStore::create_or_resume(&folder, "key", Leftovers::Demand).expect("made");
        assert!(!store.has(0));
        store.remove().expect("removed");
        let left = std::fs::read_dir(home.path()).expect("readable").count();
        assert_eq!(left, 0);
    }

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(".out.slices");
        let store = SliceStore::create_or_resume(&path, "key", Leftovers::Discard).expect("made");
        let (image, map) = (array![[1.0, 2.0, 3.0]], array![[4.0], [5.0]]);
        store
            .put(3, &[("image", image.view()), ("std", map.view())], &json!({ "seconds": 0.1 }))
            .expect("kept");
        let again = SliceStore::create_or_resume(&path, "key", Leftovers::Demand).expect("there");
        assert!(again.has(3) && !again.has(0));
        assert_eq!(again.image(3, "std").expect("kept"), map);
        assert_eq!(again.image(3, "image").expect("kept"), image);
        assert!(again.image(3, "low").is_err());
        assert_eq!(again.record(3).expect("kept"), json!({ "seconds": 0.1 }));
        again.remove().expect("deleted");
        assert!(!path.exists());
    }

    #[test]
    fn a_store_that_another_process_took_away_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let store = SliceStore::create_or_resume(&path, "key", Leftovers::Discard).expect("made");
        let other = SliceStore::create_or_resume(&path, "key", Leftovers::Discard).expect("made");
        other.remove().expect("removed");
        let image = array![[1.0]];
        let put = store.put(0, &[("image", image.view())], &json!({})).expect_err("gone");
        let read = store.record(0).expect_err("gone");
        for error in [put, read] {
            assert!(error.to_string().contains("another process"), "{error}");
            assert_eq!(error.kind(), crate::DataErrorKind::Io);
        }
    }

    #[test]
    fn a_torn_file_is_no_slice() {
        let folder = tempfile::tempdir().expect("a folder");
        let store =
            SliceStore::create_or_resume(&folder.path().join("s"), "key", Leftovers::Discard).expect("made");
        store.put(0, &[("image", array![[1.0, 2.0]].view())], &json!(null)).expect("kept");
        let bytes = std::fs::read(store.file(0)).expect("there");
        for length in 0..bytes.len() {
            std::fs::write(store.file(0), &bytes[..length]).expect("written");
            assert!(!store.has(0), "{length}");
        }
        std::fs::write(store.folder.join(".recon-half.tmp"), b"half").expect("written");
        assert!(!store.has(0) && !store.has(1));
    }

    #[test]
    fn other_slices_are_neither_taken_nor_lost_by_mistake() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let put = |store: &SliceStore| store.put(0, &[], &json!(1)).expect("kept");
        put(&SliceStore::create_or_resume(&path, "one", Leftovers::Discard).expect("made"));
        assert!(
            SliceStore::create_or_resume(&path, "two", Leftovers::Demand)
                .is_err_and(|e| e.to_string().contains("another"))
        );
        assert!(SliceStore::create_or_resume(&path, "one", Leftovers::Demand).expect("there").has(0));
        assert!(!SliceStore::create_or_resume(&path, "two", Leftovers::Use).expect("new").has(0));
        put(&SliceStore::create_or_resume(&path, "two", Leftovers::Use).expect("there"));
        assert!(!SliceStore::create_or_resume(&path, "two", Leftovers::Discard).expect("new").has(0));
        let other = folder.path().join("thesis");
        std::fs::create_dir(&other).expect("made");
        assert!(matches!(
            SliceStore::create_or_resume(&other, "one", Leftovers::Discard),
            Err(DataError::Exists { .. })
        ));
    }
}
