//! Which images of a folder are evaluated.

use crate::commands::session::failure::Failure;
use anyhow::{Context, Result};
use recon_data::Format;
use std::path::{Path, PathBuf};

/// A scan of the data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands) struct Image {
    /// Where it is.
    pub(in crate::commands) path: PathBuf,
    /// The name of its file or folder; nothing from inside a file is ever printed.
    pub(in crate::commands) name: String,
    /// How many of its slices are evaluated at most.
    pub(in crate::commands) slices: usize,
}

/// The scans of `folder` in the order of their names: every NIfTI and `.npy` file, and every folder directly in it,
/// as one DICOM series; if there are none, the folder itself as one DICOM series. Each has up to `slices`
/// slices evaluated, and all together not more than `limit`, which is spread over the scans evenly.
///
/// # Errors
/// When the folder cannot be listed.
pub(in crate::commands) fn find(folder: &Path, slices: usize, limit: Option<usize>) -> Result<Vec<Image>> {
    if !folder.is_dir() {
        return Err(
            Failure::Input(format!("{}: is not a folder; give one with images", folder.display())).into()
        );
    }
    let read = || format!("{}: cannot list the folder", folder.display());
    let mut paths = Vec::new();
    for entry in folder.read_dir().with_context(read)? {
        let path = entry.with_context(read)?.path();
        let volume = path.is_file() && matches!(Format::of_path(&path), Some(Format::Nifti | Format::Npy));
        if !hidden(&path) && (volume || path.is_dir()) {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        paths.push(folder.to_owned());
    }
    let count = paths.len();
    let share = |place: usize| {
        limit.map_or(slices, |limit| (limit / count + usize::from(place < limit % count)).min(slices))
    };
    let images = paths.into_iter().enumerate().map(|(place, path)| Image {
        name: path.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned()),
        path,
        slices: share(place),
    });
    Ok(images.filter(|image| image.slices > 0).collect())
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Of `count` slices those that a protocol with `wanted` a scan takes, `⌊(k + ½) count / wanted⌋`; with fewer
/// `allowed`, those nearest to the middle.
pub(in crate::commands) fn slices(count: usize, wanted: usize, allowed: usize) -> Vec<usize> {
    let wanted = wanted.min(count);
    let mut places: Vec<usize> = (0..wanted).collect();
    places.sort_by_key(|k| (2 * k + 1).abs_diff(wanted));
    places.truncate(allowed);
    places.sort_unstable();
    places.into_iter().map(|k| (2 * k + 1) * count / (2 * wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_evenly_spaced_and_the_middle_comes_first() {
        assert_eq!(slices(60, 3, 3), [10, 30, 50]);
        assert_eq!(slices(61, 2, 2), [15, 45]);
        assert_eq!(slices(60, 3, 1), [30]);
        assert_eq!(slices(2, 3, 3), [0, 1]);
        assert_eq!(slices(1, 3, 3), [0]);
        assert!(slices(0, 3, 3).is_empty());
    }

    #[test]
    fn a_limit_is_spread_over_the_scans() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.nii.gz", "a.npy", "c.nii", ".hidden.npy", "notes.txt"] {
            std::fs::write(folder.path().join(name), b"x").expect("written");
        }
        std::fs::create_dir(folder.path().join("series")).expect("made");
        let shares = |limit| -> Vec<(String, usize)> {
            let images = find(folder.path(), 3, limit).expect("listed");
            images.into_iter().map(|image| (image.name, image.slices)).collect()
        };
        let of = |shares: &[(&str, usize)]| -> Vec<(String, usize)> {
            shares.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
        };
        assert_eq!(shares(None), of(&[("a.npy", 3), ("b.nii.gz", 3), ("c.nii", 3), ("series", 3)]));
        assert_eq!(shares(Some(6)), of(&[("a.npy", 2), ("b.nii.gz", 2), ("c.nii", 1), ("series", 1)]));
        assert_eq!(shares(Some(1)), of(&[("a.npy", 1)]));
        assert!(find(&folder.path().join("notes.txt"), 3, None).is_err());
    }

    #[test]
    fn a_folder_of_loose_files_is_one_series() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("1.dcm"), b"x").expect("written");
        let images = find(folder.path(), 2, None).expect("listed");
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].path, folder.path());
    }
}
