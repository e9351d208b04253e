//! The recipes of `pipelines/recipes`, each on small phantoms.

use super::common::{Folder, phantom};
use ndarray::Axis;
use recon_data::{Geometry, Overwrite, Provenance, Source, Unit, Volume, write};
use std::path::{Path, PathBuf};

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/recipes")
}

/// A slice as NIfTI: a body in air with a rod of so much HU, or a head of an MR scanner.
fn scan(folder: &Folder, name: &str, rod: Option<f32>) {
    let image = phantom(24, 24, 0.0);
    let voxels = match rod {
        Some(rod) => {
            let mut hu = image * 1500.0 - 1000.0;
            hu[[12, 14]] = rod;
            hu
        }
        None => image * 900.0,
    };
    let path = folder.path(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let unit = if rod.is_some() { Unit::Hounsfield } else { Unit::Arbitrary };
    let volume = Volume { voxels: voxels.insert_axis(Axis(0)), geometry: Geometry::default(), unit };
    write(&path, &volume, &Source::Npy, &Provenance::default(), Overwrite::Force).expect("written");
}

/// Runs a recipe beside these scans, and says which images it made.
fn made(recipe: &str, scans: &[(&str, Option<f32>)]) -> Vec<String> {
    let folder = Folder::new();
    for (name, rod) in scans {
        scan(&folder, name, *rod);
    }
    for file in [recipe, "list.csv"] {
        std::fs::copy(recipes().join(file), folder.path(file)).expect("copied");
    }
    folder.recon(&format!("batch {recipe} -q")).assert().success();
    let names = scans.iter().map(|(name, _)| folder.path(name)).collect::<Vec<_>>();
    let mut found = images(&folder.path(""), &folder.path(""));
    found.retain(|name| !names.contains(&folder.path(name)));
    found.sort();
    found
}

fn images(folder: &Path, root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            found.extend(images(&path, root));
        } else if path.to_string_lossy().ends_with(".nii.gz") {
            found.push(path.strip_prefix(root).expect("below").to_string_lossy().into_owned());
        }
    }
    found
}

#[test]
fn a_few_views_of_a_folder() {
    let scans = [("scans/a/chest.nii.gz", Some(300.0))];
    assert_eq!(made("ct-sparse.toml", &scans), ["ct-sparse/scans/a/chest_recon.nii.gz"]);
}

#[test]
fn two_accelerations_of_a_folder() {
    let wanted = ["mri-accelerated/4x/scans/head_recon.nii.gz", "mri-accelerated/8x/scans/head_recon.nii.gz"];
    assert_eq!(made("mri-accelerated.toml", &[("scans/head.nii.gz", None)]), wanted);
}

#[test]
fn metal_of_two_kinds() {
    let scans = [("scans/hip.nii.gz", Some(2800.0)), ("faint/dental.nii.gz", Some(2200.0))];
    let wanted = ["metal/faint/dental_recon.nii.gz", "metal/hip_recon.nii.gz"];
    assert_eq!(made("metal.toml", &scans), wanted);
}

#[test]
fn anatomical_images_of_a_dataset() {
    let folder = Folder::new();
    for name in ["anat/sub-01_T1w", "func/sub-01_bold"] {
        scan(&folder, &format!("bids/sub-01/{name}.nii.gz"), None);
    }
    folder.bytes("bids/dataset_description.json", b"{ \"Name\": \"two\", \"BIDSVersion\": \"1.10.0\" }");
    std::fs::copy(recipes().join("bids-mri.toml"), folder.path("bids-mri.toml")).expect("copied");
    // A second run finds the results of the first among the derivatives, and nothing to do.
    for arguments in ["batch bids-mri.toml -q", "batch bids-mri.toml -q --resume"] {
        folder.recon(arguments).assert().success();
        let derived = folder.path("bids/derivatives/recon");
        assert_eq!(images(&derived, &derived), ["sub-01/anat/sub-01_desc-recon_T1w.nii.gz"]);
    }
}

#[test]
fn a_list_says_what_is_done_with_each() {
    let scans = [("scans/chest.nii.gz", Some(300.0)), ("scans/head.nii.gz", None)];
    let wanted =
        ["list/chest_score.nii.gz", "list/chest_tv.nii.gz", "list/head_recon.nii.gz", "list/head_tv.nii.gz"];
    assert_eq!(made("list.toml", &scans), wanted);
}
