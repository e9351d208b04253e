//! Derived series without what names the patient: what is written is searched for every word of the source.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::open_file;
use ndarray::Array3;
use recon_data::{Deidentifier, Geometry, Overwrite, Provenance, Scan, Source, Unit, Volume, read, write};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a hospital writes into its files.
const IDENTITY: [(Tag, VR, &str); 18] = [
    (tags::PATIENT_NAME, VR::PN, "Xanthippe^Sokrates"),
    (tags::PATIENT_ID, VR::LO, "MRN-0815-4711"),
    (tags::PATIENT_BIRTH_DATE, VR::DA, "19610228"),
    (tags::PATIENT_AGE, VR::AS, "063Y"),
    (tags::PATIENT_ADDRESS, VR::LO, "Agora 7 Athens"),
    (tags::OTHER_PATIENT_NAMES, VR::PN, "Phainarete"),
    (tags::ACCESSION_NUMBER, VR::SH, "ACC-99812"),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, "Hippokrates^Kos"),
    (tags::STUDY_DESCRIPTION, VR::LO, "Thorax of Xanthippe"),
    (tags::STUDY_ID, VR::SH, "ST-5561"),
    (tags::STUDY_DATE, VR::DA, "20240229"),
    (tags::STUDY_TIME, VR::TM, "101112"),
    (tags::SERIES_DESCRIPTION, VR::LO, "for Dr Galenos"),
    (tags::INSTITUTION_NAME, VR::LO, "Asklepieion"),
    (tags::STATION_NAME, VR::SH, "CT-ROOM-3"),
    (tags::OPERATORS_NAME, VR::PN, "Herophilos"),
    (tags::IMAGE_COMMENTS, VR::LT, "called back by phone 555-1234"),
    (tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.99.7"),
];

fn provenance(seed: u64) -> Provenance {
    Provenance {
        version: "0.1.0".into(),
        series_description: "recon fbp".into(),
        seed,
        ..Provenance::default()
    }
}

fn volume() -> Volume {
    let voxels = Array3::from_shape_fn((2, 16, 16), |(k, i, j)| (k * 100 + i * 3 + j) as f32);
    Volume { voxels, geometry: Geometry::default(), unit: Unit::Hounsfield }
}

/// A series of the patient, with `more` written over.
fn scanned(folder: &Path, name: &str, more: &[(Tag, VR, &str)]) -> PathBuf {
    let path = folder.join(name);
    for file in write(&path, &volume(), &Source::Npy, &provenance(1), Overwrite::Refuse).unwrap() {
        let mut object = open_file(&file).unwrap();
        for (tag, vr, value) in IDENTITY.iter().chain(more) {
            object.put(DataElement::new(*tag, *vr, PrimitiveValue::from(*value)));
        }
        object.put(DataElement::new(Tag(0x0009, 0x0010), VR::LO, PrimitiveValue::from("PRIVATE Xanthippe")));
        object.write_to_file(&file).unwrap();
    }
    path
}

fn derived(from: &Path, to: &Path, deidentifier: &Deidentifier) -> Vec<PathBuf> {
    let Scan { volume, source, .. } = read(from).unwrap();
    write(to, &volume, &deidentifier.source(&source), &provenance(7), Overwrite::Refuse).unwrap()
}

fn value(file: &Path, tag: Tag) -> String {
    let object = open_file(file).unwrap();
    object.get(tag).and_then(|e| e.to_str().ok()).map_or_else(String::new, |text| text.trim().to_owned())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

fn errors(file: &Path) -> Option<Vec<String>> {
    let Ok(output) = Command::new("dciodvfy").arg(file).output() else {
        let _ = writeln!(std::io::stderr(), "skipped: dciodvfy is not installed");
        return None;
    };
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some(text.lines().filter(|line| line.starts_with("Error")).map(str::to_owned).collect())
}

#[test]
fn no_word_of_the_source_is_in_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let scan = scanned(folder.path(), "scan", &[]);
    let originals = [tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID, tags::SOP_INSTANCE_UID];
    let mut words: Vec<String> = originals.iter().map(|&tag| value(&files(&scan)[0], tag)).collect();
    words.extend(
        IDENTITY.iter().filter(|(tag, ..)| *tag != tags::STUDY_TIME).map(|&(_, _, text)| text.to_owned()),
    );
    words.extend(
        ["Xanthippe", "Sokrates", "Hippokrates", "Galenos", "555-1234", "PRIVATE"].map(str::to_owned),
    );
    let today = jiff::Zoned::now().strftime("%Y%m%d").to_string();
    words.push(today);
    for file in derived(&scan, &folder.path().join("out"), &Deidentifier::new(&[7; 32])) {
        let bytes = std::fs::read(&file).unwrap();
        for word in &words {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word}");
        }
        assert_eq!(value(&file, tags::PATIENT_IDENTITY_REMOVED), "YES");
        assert!(value(&file, tags::SERIES_DESCRIPTION).ends_with("NOT FOR DIAGNOSTIC USE"));
        assert_eq!(value(&file, tags::BURNED_IN_ANNOTATION), "NO");
        if let Some(errors) = errors(&file) {
            assert!(errors.is_empty(), "{errors:#?}");
        }
    }
}

#[test]
fn runs_with_one_key_belong_together_and_with_another_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let scan = scanned(folder.path(), "scan", &[]);
    let later = [(tags::STUDY_DATE, VR::DA, "20250301"), (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.77")];
    let later = scanned(folder.path(), "later", &later);
    let out = |name: &str, scan: &Path, key: u8| {
        derived(scan, &folder.path().join(name), &Deidentifier::new(&[key; 32])).remove(0)
    };
    let (first, again) = (out("a", &scan, 7), out("b", &scan, 7));
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&again).unwrap());
    let (second, other) = (out("c", &later, 7), out("d", &scan, 8));
    for tag in [tags::PATIENT_ID, tags::PATIENT_NAME, tags::FRAME_OF_REFERENCE_UID] {
        assert_eq!(value(&first, tag), value(&second, tag), "{tag}");
        assert_ne!(value(&first, tag), value(&other, tag), "{tag}");
    }
    for tag in [tags::STUDY_INSTANCE_UID, tags::SERIES_INSTANCE_UID, tags::SOP_INSTANCE_UID, tags::STUDY_DATE]
    {
        assert_ne!(value(&first, tag), value(&other, tag), "{tag}");
    }
    let day = |file: &Path| jiff::civil::Date::strptime("%Y%m%d", value(file, tags::STUDY_DATE)).unwrap();
    assert_eq!((day(&second) - day(&first)).get_days(), 366);
    // The source that the derived image refers to is the one of the same key.
    let object = open_file(&first).unwrap();
    let item = &object.get(tags::SOURCE_IMAGE_SEQUENCE).unwrap().items().unwrap()[0];
    let referenced = item.element(tags::REFERENCED_SOP_INSTANCE_UID).unwrap().to_str().unwrap().into_owned();
    let original = open_file(&files(&scan)[0]).unwrap().into_inner();
    let clean = Deidentifier::new(&[7; 32]).data_set(&original);
    assert_eq!(clean.element(tags::SOP_INSTANCE_UID).unwrap().to_str().unwrap(), referenced);
}

#[test]
fn text_in_the_pixels_is_not_denied() {
    let folder = tempfile::tempdir().unwrap();
    let scan = scanned(folder.path(), "scan", &[(tags::BURNED_IN_ANNOTATION, VR::CS, "YES")]);
    let deidentifier = Deidentifier::new(&[7; 32]);
    assert!(deidentifier.leaves_burned_in_text(&read(&scan).unwrap().source));
    for file in derived(&scan, &folder.path().join("out"), &deidentifier) {
        assert_eq!(value(&file, tags::BURNED_IN_ANNOTATION), "YES");
        assert_eq!(value(&file, tags::PATIENT_IDENTITY_REMOVED), "NO");
    }
}
