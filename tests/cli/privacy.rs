//! Results without what names the patient.

use crate::common::{Folder, phantom};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::open_file;

const WORDS: [(Tag, VR, &str); 6] = [
    (tags::PATIENT_NAME, VR::PN, "Xanthippe^Sokrates"),
    (tags::PATIENT_ID, VR::LO, "MRN-0815-4711"),
    (tags::PATIENT_BIRTH_DATE, VR::DA, "19610228"),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, "Hippokrates^Kos"),
    (tags::STUDY_DESCRIPTION, VR::LO, "Thorax of Xanthippe"),
    (tags::STUDY_DATE, VR::DA, "20240229"),
];

/// A CT and an MR image of a patient, and two keys.
fn patient() -> Folder {
    let folder = Folder::new();
    folder.array("scan.npy", (phantom(24, 24, 0.0) * 1500.0 - 1000.0).view());
    folder.recon("ct scan.npy --unit hu --method fbp -o scan.dcm").assert().success();
    folder.recon("mri scan.npy --accel 2 --method zero-filled -o mr.dcm").assert().success();
    for name in ["scan.dcm", "mr.dcm"] {
        let mut object = open_file(folder.path(name)).expect("DICOM");
        for (tag, vr, value) in WORDS {
            object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        }
        object.write_to_file(folder.path(name)).expect("written");
    }
    folder.bytes("key", &(0..32).map(|k| 7 * k + 3).collect::<Vec<u8>>());
    folder.bytes("other", &(0..32).map(|k| 5 * k + 1).collect::<Vec<u8>>());
    folder
}

fn value(folder: &Folder, name: &str, tag: Tag) -> String {
    let object = open_file(folder.path(name)).expect("DICOM");
    object.element(tag).expect("there").to_str().expect("text").trim().to_owned()
}

#[test]
fn every_task_takes_the_patient_out_of_its_result() {
    let folder = patient();
    let source = value(&folder, "scan.dcm", tags::STUDY_INSTANCE_UID);
    let tasks = [
        ("ct", "ct scan.dcm --views 20 --method fbp"),
        ("mar", "mar scan.dcm --views 20 --metal-threshold -200 --method fbp"),
        ("mri", "mri mr.dcm --accel 2 --method zero-filled"),
    ];
    for (name, form) in tasks {
        folder.recon(&format!("{form} --deidentify key -o {name}.dcm")).assert().success();
        let bytes = std::fs::read(folder.path(&format!("{name}.dcm"))).expect("written");
        for word in WORDS.iter().map(|&(_, _, word)| word).chain([source.as_str(), "Xanthippe"]) {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{name}: {word}");
        }
        assert_eq!(value(&folder, &format!("{name}.dcm"), tags::PATIENT_IDENTITY_REMOVED), "YES");
    }
    for tag in [tags::PATIENT_ID, tags::STUDY_DATE] {
        assert_eq!(value(&folder, "ct.dcm", tag), value(&folder, "mar.dcm", tag));
        assert_eq!(value(&folder, "ct.dcm", tag), value(&folder, "mri.dcm", tag));
    }
    let study = |name: &str| value(&folder, name, tags::STUDY_INSTANCE_UID);
    assert_eq!(study("ct.dcm"), study("mar.dcm"));
    folder.recon(&format!("{} --deidentify other -o other.dcm", tasks[0].1)).assert().success();
    assert_ne!(value(&folder, "ct.dcm", tags::PATIENT_ID), value(&folder, "other.dcm", tags::PATIENT_ID));
    // The case names the key, so it can be run again.
    folder.recon("run ct.json -o again.dcm").assert().success();
    let bytes = |name: &str| std::fs::read(folder.path(name)).expect("written");
    assert_eq!(bytes("again.dcm"), bytes("ct.dcm"));
}

#[test]
fn what_would_do_nothing_and_what_is_no_key_is_refused() {
    let folder = patient();
    folder.bytes("short", b"secret");
    let before = folder.names();
    for (form, code, words) in [
        ("--deidentify key -o out.npy", 2, "has no effect on an output that is not DICOM"),
        ("--deidentify key -o out.nii.gz", 2, "has no effect on an output that is not DICOM"),
        ("--deidentify short -o out.dcm", 3, "has 6 bytes, too few for a key"),
        ("--deidentify missing -o out.dcm", 3, "cannot be read"),
    ] {
        let output = folder.recon(&format!("ct scan.dcm --method fbp {form}")).output().expect("ran");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(code), 1), "{form}: {said}");
        assert!(said.contains(words), "{form}: {said}");
    }
    assert_eq!(folder.names(), before);
}

#[test]
fn text_in_the_pixels_is_warned_of() {
    let folder = patient();
    let mut object = open_file(folder.path("scan.dcm")).expect("DICOM");
    object.put(DataElement::new(tags::BURNED_IN_ANNOTATION, VR::CS, PrimitiveValue::from("YES")));
    object.write_to_file(folder.path("scan.dcm")).expect("written");
    let run = folder.recon("ct scan.dcm --method fbp --deidentify key -o out.dcm").assert().success();
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(said.contains("warning: according to the source its pixels contain text"), "{said}");
    assert_eq!(value(&folder, "out.dcm", tags::BURNED_IN_ANNOTATION), "YES");
    assert_eq!(value(&folder, "out.dcm", tags::PATIENT_IDENTITY_REMOVED), "NO");
}
