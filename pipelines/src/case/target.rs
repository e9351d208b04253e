//! Where results go, checked before the long work begins.

use super::Outputs;
use crate::{Map, Refused};
use anyhow::Result;
use recon_data::Format;
use recon_data::atomic::{self, Overwrite};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The files of one result.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// The image.
    pub image: PathBuf,
    /// What is known of its voxels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<(Map, PathBuf)>,
    /// The JSON report.
    pub sidecar: PathBuf,
    /// The picture.
    pub preview: Option<PathBuf>,
    #[serde(skip)]
    force: bool,
}

impl Target {
    /// The files of these outputs, with a file `<stem>_<map>` for each of the maps, none of which may exist unless `force`.
    ///
    /// # Errors
    /// When an extension is unknown, a folder is missing or a file exists.
    pub fn new(outputs: &Outputs, maps: &[Map], force: bool) -> Result<Self> {
        let image = outputs.image.clone();
        check_path(&image)?;
        if let Some(path) = &outputs.preview {
            check_picture(path)?;
        }
        if let Some(path) = &outputs.mask {
            check_npy(path, force)?;
        }
        let maps = maps.iter().map(|&map| (map, sibling(&image, suffix(map), None))).collect();
        let sidecar = sibling(&image, "", Some("json"));
        let target = Self { sidecar, maps, preview: outputs.preview.clone(), image, force };
        target.check()?;
        Ok(target)
    }

    /// The same files with `_partial` after their stems, for an interrupted run.
    #[must_use]
    pub fn partial(&self) -> Self {
        let image = sibling(&self.image, "_partial", None);
        Self {
            maps: self.maps.iter().map(|&(map, _)| (map, sibling(&image, suffix(map), None))).collect(),
            sidecar: sibling(&image, "", Some("json")),
            preview: self.preview.as_ref().map(|path| sibling(path, "_partial", None)),
            image,
            // What an earlier interrupted run left is of no more use.
            force: true,
        }
    }

    /// Whether existing files may be replaced.
    pub fn overwrite(&self) -> Overwrite {
        overwrite(self.force)
    }

    fn check(&self) -> Result<()> {
        for path in self.files() {
            atomic::refuse_existing(path, self.overwrite())?;
        }
        Ok(())
    }

    /// Fails where images of so many `slices` cannot be written: several go into a folder under a `.dcm` name as well.
    pub(super) fn check_written(&self, slices: usize) -> Result<()> {
        for path in std::iter::once(&self.image).chain(self.maps.iter().map(|(_, path)| path)) {
            recon_data::check_output(&recon_data::resolve_output(path, slices), self.overwrite())?;
        }
        Ok(())
    }

    /// Every file, the image first and the sidecar last.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let maps = self.maps.iter().map(|(_, path)| path);
        std::iter::once(&self.image).chain(maps).chain(&self.preview).chain([&self.sidecar])
    }

    /// The hidden folder beside the image that finished slices are kept in until all of them are there.
    pub fn store(&self) -> PathBuf {
        let name = self.image.file_name().unwrap_or_default().to_string_lossy();
        self.image.with_file_name(format!(".{name}.slices"))
    }
}

/// What the name of a map's file ends with.
fn suffix(map: Map) -> &'static str {
    match map {
        Map::Std => "_std",
        Map::Low => "_q05",
        Map::High => "_q95",
        Map::NullSpace => "_null",
    }
}

/// Whether existing files may be replaced.
pub fn overwrite(force: bool) -> Overwrite {
    if force { Overwrite::Force } else { Overwrite::Refuse }
}

/// Checks the path of an image to be written: a known extension (or none, for a folder of DICOM files) in a
/// folder that exists.
///
/// # Errors
/// [`Refused::Usage`]
pub fn check_path(path: &Path) -> Result<()> {
    if Format::of_path(path).is_none() {
        let message = format!(
            "{}: is not a known image format; name it .dcm, .nii, .nii.gz or .npy, or a folder",
            path.display()
        );
        return Err(Refused::Usage(message).into());
    }
    check_folder(path)
}

/// Checks a `.npy` path to be written.
///
/// # Errors
/// [`Refused::Usage`], or that the file exists.
pub fn check_npy(path: &Path, force: bool) -> Result<()> {
    if Format::of_path(path) != Some(Format::Npy) {
        let message = format!("{}: measurements are written as .npy; name it so", path.display());
        return Err(Refused::Usage(message).into());
    }
    check_folder(path)?;
    Ok(atomic::refuse_existing(path, overwrite(force))?)
}

fn check_picture(path: &Path) -> Result<()> {
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        let message = format!("{}: pictures are PNG files; name it .png", path.display());
        return Err(Refused::Usage(message).into());
    }
    check_folder(path)
}

/// Checks that the folder of a path to be written exists.
///
/// # Errors
/// [`Refused::Usage`]
pub fn check_folder(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            let message =
                format!("{}: there is no folder {}; create it first", path.display(), folder.display());
            Err(Refused::Usage(message).into())
        }
        _ => Ok(()),
    }
}

/// `<stem><suffix>.<extension>` beside `path`, with the extension of `path` unless another is given; `.nii.gz`
/// is one extension.
pub fn sibling(path: &Path, suffix: &str, extension: Option<&str>) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lower = name.to_lowercase();
    let at =
        if lower.ends_with(".nii.gz") { Some(name.len() - 7) } else { name.rfind('.').filter(|&at| at > 0) };
    let (stem, own) = at.map_or((name.as_str(), ""), |at| (&name[..at], &name[at + 1..]));
    let extension = extension.unwrap_or(own);
    let dot = if extension.is_empty() { "" } else { "." };
    path.with_file_name(format!("{stem}{suffix}{dot}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siblings_keep_the_whole_extension() {
        let of = |path: &str, suffix, extension| sibling(Path::new(path), suffix, extension);
        assert_eq!(of("a/b.nii.gz", "_std", None), Path::new("a/b_std.nii.gz"));
        assert_eq!(of("a/b.nii.gz", "", Some("json")), Path::new("a/b.json"));
        assert_eq!(of("b.npy", "_partial", None), Path::new("b_partial.npy"));
        assert_eq!(of("folder", "_std", None), Path::new("folder_std"));
        assert_eq!(of("folder", "", Some("json")), Path::new("folder.json"));
    }

    #[test]
    fn unknown_kinds_and_missing_folders_are_refused() {
        assert!(check_path(Path::new("a.jpeg")).is_err());
        assert!(check_path(Path::new("no/such/folder/a.npy")).is_err());
        assert!(check_path(Path::new("a.nii.gz")).is_ok());
    }
}
