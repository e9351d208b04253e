//! Derived DICOM series and NIfTI files: what is written is read again, and validators find no errors.

use ndarray::Array3;
use recon_data::{
    DataErrorKind, Geometry, Modality, Overwrite, Provenance, Scan, Source, Unit, Volume, read,
    resolve_output, write,
};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn provenance(seed: u64) -> Provenance {
    Provenance {
        derivation: recon_data::Derivation::Iterative,
        run: String::new(),
        description: "recon 0.1.0 ct --views 23 --seed 7".into(),
        series_description: "recon ct 23 views".into(),
        comments: "Model test, sha256 0123.".into(),
        version: "0.1.0".into(),
        seed,
    }
}

/// A tilted stack of discs, not square, so that a swap of axes shows.
fn volume(slices: usize, unit: Unit) -> Volume {
    let voxels = Array3::from_shape_fn((slices, 20, 24), |(k, i, j)| {
        let inside = (i as f32 - 8.0).powi(2) + (j as f32 - 14.0).powi(2) < 36.0;
        let value = if inside { 60.0 + k as f32 } else { -1000.0 };
        if unit == Unit::Hounsfield { value } else { 0.01 * (value + 1000.0) }
    });
    let (s, c) = 0.2f64.sin_cos();
    let geometry = Geometry {
        spacing_mm: [3.0, 0.7, 0.9],
        origin_mm: [-12.5, 30.25, 7.0],
        direction: [[0.0, -s, c], [0.0, c, s], [1.0, 0.0, 0.0]],
    };
    Volume { voxels, geometry, unit }
}

fn worst(a: &Volume, b: &Volume) -> f32 {
    assert_eq!(a.voxels.dim(), b.voxels.dim());
    a.voxels.iter().zip(&b.voxels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn misplaced(a: &Geometry, b: &Geometry) -> f64 {
    let flat =
        |g: &Geometry| [g.spacing_mm, g.origin_mm, g.direction[0], g.direction[1], g.direction[2]].concat();
    flat(a).iter().zip(flat(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The output of a program on a file, or `None` (with a line that says so) where it is not installed.
fn tool(name: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let Ok(output) = Command::new(name).args(arguments).arg(file).output() else {
        // Past the capture of the test harness, which would hide it.
        let _ = writeln!(std::io::stderr(), "skipped: {name} is not installed");
        return None;
    };
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn validate(files: &[PathBuf]) {
    for file in files {
        let Some(report) = tool("dciodvfy", &[], file) else { return };
        let errors: Vec<&str> = report.lines().filter(|line| line.starts_with("Error")).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

#[test]
fn a_series_without_source_is_valid_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for (unit, modality, step) in
        [(Unit::Hounsfield, Modality::Ct, 1.0), (Unit::Arbitrary, Modality::Mr, 3.3e-4)]
    {
        for slices in [1, 4] {
            let volume = volume(slices, unit);
            let path = folder.path().join(format!("{modality:?}{slices}.dcm"));
            let files = write(&path, &volume, &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap();
            assert_eq!(files.len(), slices);
            let scan = read(&resolve_output(&path, slices)).unwrap();
            assert_eq!((scan.modality, scan.volume.unit), (Some(modality), unit));
            assert!(worst(&scan.volume, &volume) <= 0.5001 * step);
            assert!(misplaced(&scan.volume.geometry, &volume.geometry) < 1e-6);
            validate(&files);
            let again = write(&path, &volume, &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap_err();
            assert_eq!(again.kind(), DataErrorKind::Exists);
        }
    }
}

#[test]
fn attenuation_is_written_in_hounsfield_units() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mu.dcm");
    let mut water = volume(1, Unit::Arbitrary);
    water.voxels.fill(recon_data::WATER_ATTENUATION);
    water.unit = Unit::Attenuation;
    write(&path, &water, &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap();
    assert!(read(&path).unwrap().volume.voxels.iter().all(|&value| value == 0.0));
}

#[test]
fn a_derived_series_refers_to_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original");
    let input = volume(3, Unit::Hounsfield);
    write(&original, &input, &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap();
    let Scan { volume, source, .. } = read(&original).unwrap();
    let derived = folder.path().join("derived");
    let files = write(&derived, &volume, &source, &provenance(7), Overwrite::Refuse).unwrap();
    validate(&files);
    let get = |file: &Path, tag| {
        let object = dicom_object::open_file(file).unwrap();
        object.element(tag).unwrap().to_str().unwrap().into_owned()
    };
    use dicom_dictionary_std::tags;
    for (index, file) in files.iter().enumerate() {
        let origin = original.join(format!("IM{:04}.dcm", index + 1));
        for tag in [tags::STUDY_INSTANCE_UID, tags::FRAME_OF_REFERENCE_UID, tags::PATIENT_ID] {
            assert_eq!(get(file, tag), get(&origin, tag));
        }
        for tag in [tags::SERIES_INSTANCE_UID, tags::SOP_INSTANCE_UID, tags::SERIES_NUMBER] {
            assert_ne!(get(file, tag), get(&origin, tag));
        }
        assert_eq!(get(file, tags::IMAGE_TYPE), "DERIVED\\SECONDARY\\AXIAL");
        assert!(get(file, tags::SERIES_DESCRIPTION).ends_with("NOT FOR DIAGNOSTIC USE"));
        let object = dicom_object::open_file(file).unwrap();
        let sources = object.element(tags::SOURCE_IMAGE_SEQUENCE).unwrap().items().unwrap();
        let referenced = sources[0].element(tags::REFERENCED_SOP_INSTANCE_UID).unwrap().to_str().unwrap();
        assert_eq!(referenced, get(&origin, tags::SOP_INSTANCE_UID));
        let purpose = sources[0].element(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE).unwrap().items().unwrap();
        assert_eq!(purpose[0].element(tags::CODE_VALUE).unwrap().to_str().unwrap(), "121322");
    }
    // The same run has the same identifiers, another seed others.
    let series = |seed: u64, name: &str| {
        let files =
            write(&folder.path().join(name), &volume, &source, &provenance(seed), Overwrite::Refuse).unwrap();
        get(&files[0], tags::SOP_INSTANCE_UID)
    };
    assert_eq!(series(7, "again"), get(&files[0], tags::SOP_INSTANCE_UID));
    assert_ne!(series(8, "other"), get(&files[0], tags::SOP_INSTANCE_UID));
}

#[test]
fn a_folder_of_two_series_is_refused_with_both_named() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = folder.path().join("mixed");
    std::fs::create_dir(&mixed).unwrap();
    for seed in [1, 2] {
        let files = write(
            &folder.path().join(format!("s{seed}")),
            &volume(2, Unit::Hounsfield),
            &Source::Npy,
            &provenance(seed),
            Overwrite::Refuse,
        );
        for (index, file) in files.unwrap().iter().enumerate() {
            std::fs::copy(file, mixed.join(format!("{seed}-{index}"))).unwrap();
        }
    }
    std::fs::write(mixed.join("notes.txt"), "not an image").unwrap();
    let text = read(&mixed).unwrap_err().to_string();
    assert!(text.contains("holds 2 series") && text.matches("2 files, such as ").count() == 2, "{text}");
    let all = recon_data::series(&mixed).unwrap();
    assert_eq!(
        all.iter().map(|series| (series.files.len(), series.other)).collect::<Vec<_>>(),
        [(2, None); 2]
    );
    for series in all {
        assert!(text.contains(&series.name), "{text}");
        let chosen = recon_data::Selection { series: Some(&series.name), nan_to: None };
        assert_eq!(recon_data::open_selected(&mixed, chosen).unwrap().shape(), [2, 20, 24]);
        assert_eq!(
            recon_data::sha256_series(&mixed, &series.name).unwrap(),
            recon_data::digest::sha256_files(&series.files).unwrap()
        );
    }
    let none = recon_data::Selection { series: Some("000000000000"), nan_to: None };
    assert!(
        recon_data::open_selected(&mixed, none).is_err_and(|e| e.to_string().contains("holds no series 0"))
    );
}

#[test]
fn damaged_dicom_is_refused_and_files_without_preamble_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.dcm");
    write(&path, &volume(1, Unit::Hounsfield), &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let reference = read(&path).unwrap().volume;
    // Without the preamble, and without the file meta group, whose length stands in its first element.
    let meta = 144 + u32::from_le_bytes(bytes[140..144].try_into().unwrap()) as usize;
    for start in [128, 132, meta] {
        std::fs::write(&path, &bytes[start..]).unwrap();
        assert_eq!(read(&path).unwrap().volume.voxels, reference.voxels, "from byte {start}");
    }
    for length in [bytes.len() - 1, bytes.len() - 500, bytes.len() / 2, 300, 140] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let text = read(&path).unwrap_err().to_string();
        assert!(text.starts_with(&path.display().to_string()) && text.lines().count() == 1, "{text}");
    }
    // A damaged byte of the header gives an answer, right or wrong, but no panic.
    for at in (132..bytes.len() - 960).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x15;
        std::fs::write(&path, &damaged).unwrap();
        let _ = read(&path);
    }
}

#[test]
fn nifti_comes_back_and_keeps_the_header_of_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let input = volume(3, Unit::Arbitrary);
    for name in ["a.b.nii", "a.b.nii.gz"] {
        let path = folder.path().join(name);
        let files = write(&path, &input, &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap();
        assert_eq!(files, std::slice::from_ref(&path));
        let scan = read(&path).unwrap();
        assert_eq!(scan.volume.voxels, input.voxels);
        // An array has no place, so its file claims none.
        assert_eq!(scan.volume.geometry.origin_mm, [0.0; 3]);
        write(&path, &input, &scan.source, &provenance(1), Overwrite::Force).unwrap();
        let scan = read(&path).unwrap();
        assert!(misplaced(&scan.volume.geometry, &input.geometry) < 2e-6);
        let second = folder.path().join(format!("second-{name}"));
        write(&second, &scan.volume, &scan.source, &provenance(1), Overwrite::Refuse).unwrap();
        assert_eq!(read(&second).unwrap().volume.geometry, scan.volume.geometry);
        if let Some(report) = tool("nifti_tool", &["-check_hdr", "-check_nim", "-infiles"], &path) {
            assert_eq!(report.matches("IS GOOD").count(), 2, "{report}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn damaged_nifti_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    write(&path, &volume(2, Unit::Arbitrary), &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..348 {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            std::fs::write(&path, &damaged).unwrap();
            if let Err(error) = read(&path) {
                assert_eq!(error.to_string().lines().count(), 1);
            }
        }
    }
    let with = |at: usize, value: &[u8]| {
        let mut changed = bytes.clone();
        changed[at..at + value.len()].copy_from_slice(value);
        std::fs::write(&path, &changed).unwrap();
        read(&path)
    };
    // scl_slope = NaN means unscaled.
    let reference = with(0, &[]).unwrap().volume.voxels;
    assert_eq!(with(112, &f32::NAN.to_le_bytes()).unwrap().volume.voxels, reference);
    let text = |result: Result<Scan, recon_data::DataError>| result.unwrap_err().to_string();
    assert!(text(with(42, &0i16.to_le_bytes())).contains("empty axis"));
    assert!(text(with(42, &(-5i16).to_le_bytes())).contains("empty axis"));
    assert!(text(with(46, &32767i16.to_le_bytes())).contains("cut short"));
    assert!(text(with(352, &f32::NAN.to_le_bytes())).contains("1 values are NaN"));
}
