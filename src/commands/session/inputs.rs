//! The inputs that a command was given, one by one.

use super::cases::SUFFIX;
use super::failure::Failure;
use crate::commands::cli::common::{Common, ImageOptions};
use recon_data::{Format, default_output};
use recon_pipelines::{ImageInput, Input, UnitName};
use std::path::{Path, PathBuf};

/// Images as inputs of cases, each of them as the options say; see [`expanded`].
///
/// # Errors
/// When a folder cannot be listed.
pub fn image_inputs(
    inputs: &[PathBuf],
    (image, common): (&ImageOptions, &Common),
    (unit, spacing): (Option<UnitName>, Option<f64>),
) -> Result<Vec<Input>, Failure> {
    let input = |path: PathBuf| {
        let ImageOptions { series, nan_to } = image.clone();
        let (slices, reference) = (common.slices, common.reference.clone());
        Input::Image(ImageInput { path, series, slices, unit, spacing, nan_to, reference })
    };
    Ok(expanded(inputs)?.into_iter().map(input).collect())
}

/// Every input, and instead of a folder that holds NIfTI or `.npy` images those images in the order of their names; any
/// other folder is one DICOM series.
///
/// # Errors
/// When a folder cannot be listed.
pub fn expanded(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for input in inputs {
        let images = if input.is_dir() { images(input)? } else { Vec::new() };
        if images.is_empty() { all.push(input.clone()) } else { all.extend(images) }
    }
    Ok(all)
}

/// The NIfTI and `.npy` files directly in a folder, but for results of others of them. None count where anything looks like
/// DICOM: a series may have results beside it.
fn images(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::Input(format!("{}: cannot list the folder: {error}", folder.display()));
    let mut images = Vec::new();
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden || !path.is_file() {
            continue;
        }
        match Format::of_path(&path) {
            Some(Format::Nifti | Format::Npy) => images.push(path),
            Some(Format::Dicom) => return Ok(Vec::new()),
            None => {}
        }
    }
    images.sort();
    let results: Vec<PathBuf> = images.iter().map(|image| start_of_results(image)).collect();
    let is_result = |image: &PathBuf| {
        let starts = |result: &PathBuf| image.to_string_lossy().starts_with(&*result.to_string_lossy());
        results.iter().any(starts)
    };
    Ok(images.into_iter().filter(|image| !is_result(image)).collect())
}

/// What the results of an image that nobody named begin with: `scan_recon` for `scan.nii.gz`.
fn start_of_results(image: &Path) -> PathBuf {
    let output = default_output(image, SUFFIX);
    let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let end = name.rfind(SUFFIX).map_or(name.len(), |at| at + SUFFIX.len());
    output.with_file_name(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_images_is_its_images_and_a_series_stays_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["b.nii.gz", "a.nii", "a.json", ".hidden.nii", "a_recon.nii", "b_recon_std.nii.gz"] {
            std::fs::write(path(name), b"").expect("written");
        }
        let inputs = [path("c.npy"), folder.path().to_owned()];
        assert_eq!(expanded(&inputs).expect("listed"), [path("c.npy"), path("a.nii"), path("b.nii.gz")]);
        std::fs::write(path("1.dcm"), b"").expect("written");
        assert_eq!(expanded(&inputs).expect("listed"), inputs);
    }
}
