//! The samples that come with the package are what their README says.

use recon_data::{Modality, Unit, inspect, read};
use std::path::Path;

fn sample(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

#[test]
fn ct_lung() {
    let scan = read(&sample("ct_lung.dcm")).unwrap();
    assert_eq!((scan.modality, scan.volume.unit), (Some(Modality::Ct), Unit::Hounsfield));
    assert_eq!(scan.volume.voxels.dim(), (1, 512, 512));
    assert_eq!(scan.volume.geometry.spacing_mm, [5.0, 0.626953125, 0.626953125]);
    let range = inspect(&sample("ct_lung.dcm")).unwrap().range.unwrap();
    assert!(range[0] == -1024.0 && (900.0..1700.0).contains(&range[1]), "{range:?}");
}

#[test]
fn mr_brain() {
    let scan = read(&sample("mr_brain.nii.gz")).unwrap();
    assert_eq!(scan.volume.voxels.dim(), (5, 256, 256));
    let [gap, rows, columns] = scan.volume.geometry.spacing_mm;
    assert!((gap - 7.0).abs() < 0.1 && (rows - 0.859375).abs() < 1e-6 && (columns - 0.859375).abs() < 1e-6);
    // The largest value of brain_010 to brain_014 as pydicom reads them.
    assert_eq!(scan.volume.voxels.iter().fold(0.0, |high: f32, &value| high.max(value)), 919.0);
}
