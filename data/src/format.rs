//! Kinds of outputs, and the names that they have.

use std::path::{Path, PathBuf};

/// A kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// DICOM, one file per slice.
    Dicom,
    /// NIfTI-1.
    Nifti,
    /// NumPy.
    Npy,
}

impl Format {
    /// The format that a name asks for: `.dcm`, `.nii`, `.nii.gz`, `.npy`; a name without an extension or an
    /// existing folder is a DICOM series.
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        if path.is_dir() || name.ends_with(".dcm") {
            Some(Self::Dicom)
        } else if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            Some(Self::Nifti)
        } else if name.ends_with(".npy") {
            Some(Self::Npy)
        } else {
            (!name.contains('.')).then_some(Self::Dicom)
        }
    }
}

/// The output beside `input`: `scan.nii.gz` gives `scan_recon.nii.gz` for the suffix `recon`, a folder
/// `series` gives `series_recon`; what is only read (`.hdr`, `.img`) becomes `.nii`.
pub fn default_output(input: &Path, suffix: &str) -> PathBuf {
    let name =
        input.file_name().map_or_else(|| "scan".to_owned(), |name| name.to_string_lossy().into_owned());
    if input.is_dir() {
        return input.with_file_name(format!("{name}_{suffix}"));
    }
    let lower = name.to_lowercase();
    for (ending, becomes) in ENDINGS {
        if lower.ends_with(ending) && lower.len() > ending.len() {
            let stem = &name[..name.len() - ending.len()];
            let extension = becomes.unwrap_or(&name[name.len() - ending.len()..]);
            return input.with_file_name(format!("{stem}_{suffix}{extension}"));
        }
    }
    // DICOM files of archives often have no extension, or a part of a number that looks like one.
    input.with_file_name(format!("{name}_{suffix}.dcm"))
}

/// Extensions of inputs, longest first, and what the output gets instead of them.
const ENDINGS: [(&str, Option<&str>); 9] = [
    (".nii.gz", None),
    (".hdr.gz", Some(".nii.gz")),
    (".img.gz", Some(".nii.gz")),
    (".nii", None),
    (".hdr", Some(".nii")),
    (".img", Some(".nii")),
    (".npy", None),
    (".dcm", None),
    (".ima", Some(".dcm")),
];

/// Where [`write()`](crate::write()) puts a volume of `slices` slices: several slices under a `.dcm` name become a folder of that
/// name without the extension, everything else is as named.
pub fn resolve_output(path: &Path, slices: usize) -> PathBuf {
    let several =
        slices > 1 && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dcm"));
    if several { path.with_extension("") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_names() {
        let name = |input: &str| default_output(Path::new(input), "recon").display().to_string();
        assert_eq!(name("a/scan.v1.nii.gz"), "a/scan.v1_recon.nii.gz");
        assert_eq!(name("scan.nii"), "scan_recon.nii");
        assert_eq!(name("pair.img"), "pair_recon.nii");
        assert_eq!(name("x.npy"), "x_recon.npy");
        assert_eq!(name("CT1.2.840.5"), "CT1.2.840.5_recon.dcm");
        assert_eq!(name("IM0001.DCM"), "IM0001_recon.DCM");
        let folder = tempfile::tempdir().unwrap();
        let series = folder.path().join("series.1");
        std::fs::create_dir(&series).unwrap();
        assert_eq!(default_output(&series, "recon"), folder.path().join("series.1_recon"));
    }

    #[test]
    fn formats_of_names() {
        let format = |name: &str| Format::of_path(Path::new(name));
        assert_eq!(format("a.b.nii.gz"), Some(Format::Nifti));
        assert_eq!(format("x.DCM"), Some(Format::Dicom));
        assert_eq!(format("series"), Some(Format::Dicom));
        assert_eq!(format("x.jpg"), None);
    }
}
