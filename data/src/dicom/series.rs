//! What series a folder holds.

use super::attributes::text;
use super::folder::{Headers, name_of, series_in};
use super::source::source_modality;
use crate::{DataError, Modality, digest};
use dicom_dictionary_std::{tags, uids};
use std::path::{Path, PathBuf};

/// A series in a folder.
#[derive(Clone, Debug)]
pub struct Series {
    /// The first twelve digits of the SHA-256 of its UID.
    pub name: String,
    /// Its files, in the order of their names.
    pub files: Vec<PathBuf>,
    /// What made its images, if it is CT or MR.
    pub modality: Option<Modality>,
    /// Why it is no scan, if it is none.
    pub other: Option<&'static str>,
}

/// The series whose images lie directly in a folder, in the order of their first files.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] for a file that is damaged.
pub fn series(folder: &Path) -> Result<Vec<Series>, DataError> {
    let describe = |(uid, files): (String, Headers)| Series {
        name: name_of(&uid),
        modality: files.first().and_then(|(_, object)| source_modality(object)),
        other: no_scan(&files),
        files: files.into_iter().map(|(file, _)| file).collect(),
    };
    let mut all: Vec<Series> = series_in(folder)?.into_iter().map(describe).collect();
    all.sort_by(|a, b| a.files.cmp(&b.files));
    Ok(all)
}

/// SHA-256 of the sorted digests of the files of a series, as [`digest::sha256_file`] takes that of a folder.
///
/// # Errors
/// [`DataError::Unreadable`], or [`DataError::Input`] when there is no such series.
pub fn sha256_series(folder: &Path, name: &str) -> Result<String, DataError> {
    let all = series(folder)?;
    let Some(found) = all.into_iter().find(|series| series.name == name) else {
        let what = format!("holds no series {name}");
        return Err(DataError::input(folder, what, "name one that it holds, or leave out --series"));
    };
    digest::sha256_files(&found.files)
}

/// Series that scanners and archives put beside scans.
fn no_scan(files: &Headers) -> Option<&'static str> {
    let (_, object) = files.first()?;
    let kind = text(object, tags::IMAGE_TYPE).unwrap_or_default();
    let class = text(object, tags::SOP_CLASS_UID).unwrap_or_default();
    if kind.split('\\').any(|part| ["LOCALIZER", "SCOUT", "TOPOGRAM"].contains(&part.trim())) {
        return Some("localizer");
    }
    if class.starts_with(uids::SECONDARY_CAPTURE_IMAGE_STORAGE) {
        return Some("secondary capture");
    }
    source_modality(object).is_none().then_some("neither CT nor MR")
}
