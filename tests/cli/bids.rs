//! BIDS datasets: what an app takes, and the derivatives that it gives.
#![cfg(unix)]

use super::batch::{attempts, said};
use super::common::{Folder, phantom};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A dataset of two subjects, one of them with two sessions.
fn dataset(folder: &Folder) {
    let volume = |shift: f32| recon_data::Volume {
        voxels: phantom(32, 32, shift).insert_axis(ndarray::Axis(0)),
        geometry: recon_data::Geometry::default(),
        unit: recon_data::Unit::Arbitrary,
    };
    let names = [
        "sub-01/anat/sub-01_T1w",
        "sub-02/ses-1/anat/sub-02_ses-1_T2w",
        "sub-02/ses-2/anat/sub-02_ses-2_T1w",
    ];
    for (k, name) in names.iter().enumerate() {
        let path = folder.path(&format!("raw/{name}.nii.gz"));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        let about = recon_data::Provenance::default();
        recon_data::write(
            &path,
            &volume(k as f32 / 50.0),
            &recon_data::Source::Npy,
            &about,
            recon_data::Overwrite::Refuse,
        )
        .expect("written");
        let sidecar = folder.path(&format!("raw/{name}.json"));
        std::fs::write(sidecar, br#"{"MagneticFieldStrength": 3}"#).expect("written");
    }
    let about = br#"{"Name": "test", "BIDSVersion": "1.10.0"}"#;
    std::fs::write(folder.path("raw/dataset_description.json"), about).expect("written");
}

#[test]
fn a_bids_dataset_gives_derivatives_and_goes_on_by_itself() {
    let folder = Folder::new();
    dataset(&folder);
    let app = "bids raw out participant --method tv --option accel=2 --option steps=5 --n-cpus 1";
    folder.recon(&format!("{app} --participant-label 01")).assert().success();
    let first = "out/sub-01/anat/sub-01_desc-recon_T1w";
    let sidecar: Value =
        serde_json::from_slice(&std::fs::read(folder.path(&format!("{first}.json"))).expect("there"))
            .expect("JSON");
    assert_eq!(sidecar["Sources"][0], "bids:raw:sub-01/anat/sub-01_T1w.nii.gz");
    assert_eq!(
        (&sidecar["SkullStripped"], &sidecar["case"]["task"]["sampling"]["accel"]),
        (&false.into(), &2.0.into())
    );
    assert!(!folder.path("out/sub-02").exists());
    folder.recon(&format!("{app} --participant-label sub-02 --session-id 1")).assert().success();
    assert!(!folder.path("out/sub-02/ses-2").exists());
    std::fs::write(folder.path("f.json"), br#"{"t1w": {"suffix": "T1w"}}"#).expect("written");
    folder.recon(&format!("{app} --bids-filter-file f.json")).assert().success();
    assert!(folder.path("out/sub-02/ses-2/anat/sub-02_ses-2_desc-recon_T1w.nii.gz").is_file());
    assert_eq!(attempts(&folder).len(), 3);
    let about: Value =
        serde_json::from_slice(&std::fs::read(folder.path("out/dataset_description.json")).expect("there"))
            .expect("JSON");
    assert_eq!(
        (&about["DatasetType"], &about["GeneratedBy"][0]["Name"]),
        (&"derivative".into(), &"recon".into())
    );
    let group = folder.recon("bids raw out group --method tv").output().expect("run");
    assert!(String::from_utf8_lossy(&group.stdout).contains("3 of 3 cases done"));
    folder.recon("bids out2 out participant").assert().code(3);
    validate(&folder.path("out"));
}

/// What the official validator says of a dataset, where it is installed.
fn validate(dataset: &Path) {
    let Ok(output) = Command::new("bids-validator-deno").arg(dataset).output() else {
        // Past the capture of the test harness, which would hide it.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"skipped: bids-validator-deno is not installed\n",
        );
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
    assert!(text.contains("Summary") && !text.contains("[ERROR]"), "{text}");
}
