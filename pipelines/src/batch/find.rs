//! Inputs of a batch, found on the disk.

use super::plan::Entry;
use super::{bids, manifest};
use crate::Task;
use recon_data::{Format, Modality, Series};
use std::path::{Path, PathBuf};

/// An input that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The file, or the folder of a DICOM series.
    pub path: PathBuf,
    /// The name of the series, in a folder with several.
    pub series: Option<String>,
    /// Where it lies below what was named.
    pub below: PathBuf,
    /// What made it, if the file says so.
    pub modality: Option<Modality>,
    /// What is said of this input alone.
    pub said: Entry,
}

/// What was found under one name.
#[derive(Debug, Default)]
pub(super) struct Finds {
    /// The inputs.
    pub(super) inputs: Vec<Found>,
    /// What lay there and is no scan, with the reason.
    pub(super) left_out: Vec<(PathBuf, &'static str)>,
}

/// How deep folders are looked through.
const DEEPEST: usize = 12;

impl Finds {
    /// What `text` names, taken from `folder`; nothing below `outputs` is an input.
    ///
    /// # Errors
    /// Says in one line what is missing or cannot be read.
    pub(super) fn of(
        text: &str,
        task: Option<Task>,
        (folder, outputs): (&Path, &Path),
    ) -> Result<Self, String> {
        let mut finds = Self::default();
        if text.contains(['*', '?', '[']) {
            finds.globbed(&folder.join(text), task, outputs)?;
        } else {
            let path = folder.join(text);
            let name = path.file_name().map_or_else(PathBuf::new, PathBuf::from);
            finds.add(&path, task, (&name, outputs))?;
        }
        match finds.inputs.is_empty() {
            true => Err(format!("{text}: holds no image; name files, a glob, or a folder with images")),
            false => Ok(finds),
        }
    }

    fn globbed(&mut self, pattern: &Path, task: Option<Task>, outputs: &Path) -> Result<(), String> {
        let pattern =
            pattern.to_str().ok_or_else(|| format!("{}: is not UTF-8; name files", pattern.display()))?;
        let paths = glob::glob(pattern)
            .map_err(|error| format!("{pattern}: is not a valid pattern: {error}; correct it"))?;
        for path in paths {
            let path = path.map_err(|error| format!("{}: {}", error.path().display(), error.error()))?;
            let name = path.file_name().map_or_else(PathBuf::new, PathBuf::from);
            if !path.starts_with(outputs) {
                self.add(&path, task, (&name, outputs))?;
            }
        }
        Ok(())
    }

    /// Adds a file, a manifest, or what lies in a folder.
    fn add(
        &mut self,
        path: &Path,
        task: Option<Task>,
        (below, outputs): (&Path, &Path),
    ) -> Result<(), String> {
        if is_manifest(path) {
            return manifest::read(path, |said, text| {
                let folder = path.parent().unwrap_or(Path::new("."));
                let found = Self::of(text, said.task.or(task), (folder, outputs))?;
                let with = |found: Found| Found { said: found.said.over(&said), ..found };
                self.inputs.extend(found.inputs.into_iter().map(with));
                self.left_out.extend(found.left_out);
                Ok(())
            });
        }
        if path.join("dataset_description.json").is_file() {
            return self.walk(
                path,
                (Path::new(""), outputs),
                &|file, below| bids::is_image(file, below, task),
                0,
            );
        }
        if path.is_dir() {
            return self.walk(path, (below, outputs), &|_, _| true, 0);
        }
        if !path.exists() {
            return Err(format!("{}: is not there; correct the name", path.display()));
        }
        let is_dicom = Format::of_path(path) == Some(Format::Dicom);
        let modality = is_dicom.then(|| recon_data::inspect(path).ok()?.modality).flatten();
        self.push(path, None, below, modality);
        Ok(())
    }

    fn push(&mut self, path: &Path, series: Option<String>, below: &Path, modality: Option<Modality>) {
        let said = Entry::default();
        self.inputs.push(Found { path: path.to_owned(), series, below: below.to_owned(), modality, said });
    }

    /// Adds the wanted images and the DICOM series of a folder and of those in it.
    fn walk(
        &mut self,
        folder: &Path,
        (below, outputs): (&Path, &Path),
        wanted: &dyn Fn(&Path, &Path) -> bool,
        depth: usize,
    ) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: cannot be listed: {error}", folder.display());
        let mut entries = Vec::new();
        for entry in folder.read_dir().map_err(failed)? {
            entries.push(entry.map_err(failed)?.path());
        }
        entries.retain(|path| !is_hidden(path) && !path.starts_with(outputs));
        entries.sort();
        let is_image = |path: &PathBuf| {
            path.is_file()
                && matches!(Format::of_path(path), Some(Format::Nifti | Format::Npy))
                && wanted(path, below)
        };
        for path in entries.iter().filter(|path| is_image(path)) {
            self.push(path, None, &below.join(path.file_name().unwrap_or_default()), None);
        }
        if entries.iter().any(|path| path.is_file() && Format::of_path(path) == Some(Format::Dicom)) {
            self.series(folder, below)?;
        }
        for path in entries.iter().filter(|path| path.is_dir() && !path.is_symlink() && depth < DEEPEST) {
            self.walk(path, (&below.join(path.file_name().unwrap_or_default()), outputs), wanted, depth + 1)?;
        }
        Ok(())
    }

    /// Adds the scans among the series of a folder.
    fn series(&mut self, folder: &Path, below: &Path) -> Result<(), String> {
        let all = recon_data::series(folder).map_err(|error| error.to_string())?;
        let alone = all.len() == 1;
        for Series { name, files, modality, other } in all {
            match other {
                Some(reason) => {
                    self.left_out
                        .push((files.into_iter().next().unwrap_or_else(|| folder.to_owned()), reason));
                }
                None if alone => self.push(folder, None, below, modality),
                None => self.push(folder, Some(name.clone()), &below.join(name), modality),
            }
        }
        Ok(())
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv") || ending.eq_ignore_ascii_case("tsv"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, b"x").expect("written");
        }
        folder
    }

    fn found(text: &str, folder: &Path) -> Vec<String> {
        let finds = Finds::of(text, Some(Task::Mri), (folder, &folder.join("out"))).expect("found");
        finds.inputs.iter().map(|found| found.below.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn files_globs_and_folders_are_found_and_outputs_are_not() {
        let folder = tree(&["a/x.nii.gz", "a/b/y.npy", "a/z.txt", "a/.h.nii", "out/x_recon.nii.gz"]);
        assert_eq!(found("a/x.nii.gz", folder.path()), ["x.nii.gz"]);
        assert_eq!(found("**/*.nii.gz", folder.path()), ["x.nii.gz"]);
        assert_eq!(found("a", folder.path()), ["a/x.nii.gz", "a/b/y.npy"]);
        let missing = Finds::of("none.nii", None, (folder.path(), Path::new("/none"))).expect_err("missing");
        assert!(missing.contains("is not there"), "{missing}");
    }

    #[test]
    fn a_bids_dataset_gives_the_images_of_its_subjects() {
        let names = [
            "b/dataset_description.json",
            "b/sub-1/anat/sub-1_T1w.nii.gz",
            "b/sub-1/func/sub-1_bold.nii.gz",
            "b/derivatives/sub-1/anat/sub-1_T1w.nii.gz",
            "b/sub-2/ses-1/anat/sub-2_ses-1_FLAIR.nii",
        ];
        let folder = tree(&names);
        assert_eq!(
            found("b", folder.path()),
            ["sub-1/anat/sub-1_T1w.nii.gz", "sub-2/ses-1/anat/sub-2_ses-1_FLAIR.nii"]
        );
    }

    #[test]
    fn rows_of_a_manifest_say_more() {
        let folder = tree(&["a.nii", "b.nii"]);
        std::fs::write(folder.path().join("list.csv"), "input,method,accel\na.nii,tv,\nb.nii,,8\n")
            .expect("written");
        let finds = Finds::of("list.csv", None, (folder.path(), Path::new("/none"))).expect("found");
        assert_eq!(finds.inputs[0].said.method.as_deref(), Some("tv"));
        assert!(finds.inputs[0].said.options.is_empty());
        assert_eq!(finds.inputs[1].said.options["accel"], "8");
    }
}
