//! Every file of a collection of real scans gives either a scan or one clear line, and known files known values.

#[path = "../../tests/common/reference.rs"]
mod reference;

use recon_data::{Modality, Overwrite, Provenance, Source, Unit, inspect, read, write};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder of the scans.
#[track_caller]
fn collection() -> Option<PathBuf> {
    Some(reference::shared()?.join("data"))
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    found.push(folder.to_owned());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

#[test]
fn reference_every_file_is_read_or_refused_in_one_line() {
    let Some(root) = collection() else { return };
    let mut paths = Vec::new();
    walk(&root.join("dicom"), &mut paths);
    walk(&root.join("nifti"), &mut paths);
    paths.sort();
    let mut scans = 0;
    for path in &paths {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        match read(path) {
            Ok(scan) => {
                scans += 1;
                println!("{name}: {:?} {:?}", scan.volume.voxels.dim(), scan.volume.geometry.spacing_mm);
                assert!(scan.volume.voxels.iter().all(|value| value.is_finite()), "{name}");
                let directions = scan.volume.geometry.direction;
                let unit = |v: &[f64; 3]| (v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-3;
                assert!(directions.iter().all(unit), "{name}: {directions:?}");
            }
            Err(error) => {
                let text = error.to_string();
                println!("{}", text.replace(&root.display().to_string(), ""));
                assert!(text.starts_with(&root.display().to_string()) && text.contains("; "), "{text}");
                assert_eq!(text.lines().count(), 1, "{text}");
            }
        }
    }
    assert!(scans > 70, "only {scans} of {} were read", paths.len());
}

#[test]
fn reference_known_dicom_values() {
    let Some(root) = collection() else { return };
    let sum = |name: &str| {
        let scan = read(&root.join("dicom").join(name)).unwrap();
        (scan.volume.voxels.iter().map(|&value| f64::from(value)).sum::<f64>(), scan)
    };
    // Sum of the stored numbers of pydicom's CT_small, which has slope 1 and intercept -1024.
    let (total, scan) = sum("ct/pydicom/CT_small.dcm");
    assert_eq!(total + 1024.0 * 128.0 * 128.0, 14_826_310.0);
    assert_eq!((scan.modality, scan.volume.unit), (Some(Modality::Ct), Unit::Hounsfield));
    assert!(matches!(scan.source, Source::Dicom(_)));
    // The same image in five encodings.
    let reference = sum("mr/pydicom/MR_small.dcm").0;
    for name in ["RLE", "bigendian", "implicit", "jp2klossless", "padded"] {
        assert_eq!(sum(&format!("mr/pydicom/MR_small_{name}.dcm")).0, reference, "{name}");
    }
    // Lossless and plain copies of one CT image.
    let reference = sum("ct/dicomparser/CT1_UNC.explicit_big_endian.dcm").0;
    for name in ["J2KR", "JPLL", "RLE"] {
        assert_eq!(sum(&format!("ct/wg04/CT1_{name}.dcm")).0, reference, "{name}");
    }
    let tilted = read(&root.join("dicom/ct/series_ge_head_tilt_explicit")).unwrap_err().to_string();
    assert!(tilted.contains("gantry tilt"), "{tilted}");
    let two = read(&root.join("dicom/ct/wg04")).unwrap_err().to_string();
    assert!(two.contains("holds 3 series"), "{two}");
    let series = read(&root.join("dicom/ct/series_ge_implicit_3slice")).unwrap();
    assert_eq!(series.volume.voxels.dim(), (3, 512, 512));
}

#[test]
fn reference_known_nifti_values() {
    let Some(root) = collection() else { return };
    let folder = root.join("nifti/derived");
    let reference = read(&folder.join("ref_int16.nii.gz")).unwrap().volume;
    for name in [
        "bigendian_int16.nii.gz",
        "nifti2_int16.nii.gz",
        "pair_int16.hdr",
        "pair_int16.img",
        "float32.nii.gz",
    ] {
        let volume = read(&folder.join(name)).unwrap().volume;
        assert_eq!(volume.voxels, reference.voxels, "{name}");
        assert_eq!(volume.geometry, reference.geometry, "{name}");
    }
    // Sum and largest value as nibabel reads them: slope 0.0108, intercept 304.1, another image.
    let scaled = read(&folder.join("int16_slope_inter.nii.gz")).unwrap().volume.voxels;
    let total: f64 = scaled.iter().map(|&value| f64::from(value)).sum();
    assert!((total - 76_698_718.04).abs() < 0.5, "{total}");
    assert!((scaled.iter().fold(0.0, |high: f32, &value| high.max(value)) - 658.18).abs() < 1e-4);
    // Eight bits hold the same image to half a step of 7.506.
    let coarse = read(&folder.join("uint8_scaled.nii.gz")).unwrap().volume.voxels;
    let worst = coarse.iter().zip(&reference.voxels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 3.754, "{worst}");
    for (name, part) in [
        ("derived/4d_2vols.nii.gz", "2 volumes"),
        ("derived/truncated.nii.gz", "cut short"),
        ("published/nifti-rs_complex64.nii", "complex"),
        ("published/nifti-rs_rgb.nii", "colour"),
        ("published/nibabel_analyze75.hdr", "Analyze"),
        ("published/i2nii_mgh.mgz", "MGZ"),
    ] {
        let text = read(&root.join("nifti").join(name)).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
}

/// Errors of the validator dciodvfy but for illegal identifiers, which must be those of the source, or `None` where it
/// is not installed.
fn derived_errors(file: &Path) -> Option<Vec<String>> {
    let output = std::process::Command::new("dciodvfy").arg(file).output().ok()?;
    let report = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some(
        report
            .lines()
            .filter(|line| line.starts_with("Error") && !line.contains("Illegal root for UID"))
            .map(str::to_owned)
            .collect(),
    )
}

#[test]
fn reference_derived_images_of_real_sources_are_valid() {
    let Some(root) = collection() else { return };
    let folder = tempfile::tempdir().unwrap();
    let provenance = Provenance { version: "0".into(), description: "test".into(), ..Provenance::default() };
    let mut paths = Vec::new();
    walk(&root.join("dicom"), &mut paths);
    let mut checked = 0;
    let mut invalid = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let Ok(scan) = read(path) else { continue };
        let output = folder.path().join(number.to_string());
        let files = write(&output, &scan.volume, &scan.source, &provenance, Overwrite::Refuse).unwrap();
        let Some(errors) = derived_errors(&files[0]) else {
            // Past the capture of the test harness, which would hide it.
            let _ = writeln!(std::io::stderr(), "skipped: dciodvfy is not installed");
            return;
        };
        if !errors.is_empty() {
            invalid.push(format!("{}: {errors:?}", path.display()));
        }
        let back = read(&output).unwrap().volume;
        let worst =
            back.voxels.iter().zip(&scan.volume.voxels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 0.501, "{}: {worst}", path.display());
        std::fs::remove_dir_all(&output).unwrap();
        checked += 1;
    }
    assert!(invalid.is_empty(), "{invalid:#?}");
    assert!(checked > 40, "{checked}");
}

#[test]
fn reference_descriptions_name_no_patient() {
    let Some(root) = collection() else { return };
    let path = root.join("dicom/ct/pydicom/CT_small.dcm");
    let info = inspect(&path).unwrap();
    assert_eq!((info.format.as_str(), info.slices), ("DICOM", 1));
    let text = format!("{info:?} {:?}", read(&path).unwrap());
    assert!(!text.contains("CompressedSamples") && !text.contains("1CT1"), "{text}");
}
