//! Nothing that names a patient is left, and what belongs together stays together.

use super::table::{DATES, DUMMY as DUMMIES, EMPTY, REMOVED, UIDS};
use super::*;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, uids};

const SECRET: &str = "Xanthippe";

fn deidentifier(byte: u8) -> Deidentifier {
    Deidentifier::new(&[byte; 32])
}

fn tag(number: u32) -> Tag {
    Tag((number >> 16) as u16, number as u16)
}

fn put(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}

fn value(object: &InMemDicomObject, tag: Tag) -> String {
    text(object, tag).unwrap_or_default()
}

fn bytes(object: &InMemDicomObject) -> Vec<u8> {
    crate::dicom::parse::encoded(object, uids::EXPLICIT_VR_LITTLE_ENDIAN).expect("writable")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

fn with(patient: &str, study: &str, date: &str) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    put(&mut object, tags::PATIENT_ID, VR::LO, patient);
    put(&mut object, tags::PATIENT_NAME, VR::PN, "Doe^John");
    put(&mut object, tags::STUDY_INSTANCE_UID, VR::UI, study);
    put(&mut object, tags::STUDY_DATE, VR::DA, date);
    put(&mut object, tags::ACQUISITION_DATE_TIME, VR::DT, &format!("{date}101112.5"));
    put(&mut object, tags::STUDY_TIME, VR::TM, "101112");
    put(&mut object, tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
    object
}

/// Every attribute of the table, in the data set and in the items of a sequence that is kept.
#[test]
fn every_attribute_of_the_table_loses_its_text() {
    let mut inner = InMemDicomObject::new_empty();
    for number in [&DUMMIES[..], &EMPTY, &REMOVED, &DATES, &UIDS].concat() {
        let vr = StandardDataDictionary.by_tag(tag(number)).map_or(VR::LO, |entry| entry.vr().relaxed());
        match vr {
            VR::SQ => {
                let mut item = InMemDicomObject::new_empty();
                put(&mut item, tags::PATIENT_NAME, VR::PN, SECRET);
                put(&mut item, tags::TEXT_VALUE, VR::UT, SECRET);
                inner.put(DataElement::new(tag(number), vr, DataSetSequence::from(vec![item])));
            }
            vr => put(&mut inner, tag(number), vr, SECRET),
        }
    }
    put(&mut inner, Tag(0x0011, 0x0010), VR::LO, SECRET);
    put(&mut inner, Tag(0x6000, 0x4000), VR::LT, SECRET);
    put(&mut inner, Tag(0x0008, 0xfffe), VR::LO, SECRET);
    put(&mut inner, tags::BODY_PART_EXAMINED, VR::UN, SECRET);
    let mut outer = inner.clone();
    let kept = tags::ANATOMIC_REGION_SEQUENCE;
    outer.put(DataElement::new(kept, VR::SQ, DataSetSequence::from(vec![inner])));
    assert!(contains(&bytes(&outer), SECRET));
    let clean = deidentifier(1).data_set(&outer);
    let items = clean.get(kept).and_then(|sequence| sequence.items()).expect("kept");
    assert!(items.len() == 1 && items[0].iter().count() > 100);
    for part in [&clean, &items[0]] {
        let left = part.iter().find(|element| element.to_bytes().is_ok_and(|bytes| contains(&bytes, SECRET)));
        assert!(left.is_none(), "{left:?}");
    }
    assert!(!contains(&bytes(&clean), SECRET));
}

#[test]
fn a_patient_keeps_one_pseudonym_and_one_distance_in_time() {
    let deidentifier = deidentifier(1);
    let [first, second, other] =
        [("A1", "1.2.3", "20240301"), ("A1", "1.2.4", "20250315"), ("B2", "1.2.5", "20240301")]
            .map(|(patient, study, date)| deidentifier.data_set(&with(patient, study, date)));
    assert_eq!(value(&first, tags::PATIENT_ID), value(&second, tags::PATIENT_ID));
    assert_ne!(value(&first, tags::PATIENT_ID), value(&other, tags::PATIENT_ID));
    assert_ne!(value(&first, tags::STUDY_INSTANCE_UID), value(&second, tags::STUDY_INSTANCE_UID));
    let date = |object| jiff::civil::Date::strptime("%Y%m%d", value(object, tags::STUDY_DATE)).unwrap();
    let original = |text| jiff::civil::Date::strptime("%Y%m%d", text).unwrap();
    let back = |clean, text| (original(text) - date(clean)).get_days();
    assert_eq!(back(&first, "20240301"), back(&second, "20250315"));
    assert!((1..=3650).contains(&back(&first, "20240301")));
    assert_ne!(back(&first, "20240301"), back(&other, "20240301"));
    let moment = value(&first, tags::ACQUISITION_DATE_TIME);
    assert_eq!(moment, format!("{}101112.5", value(&first, tags::STUDY_DATE)));
    assert_eq!(value(&first, tags::STUDY_TIME), "101112");
}

#[test]
fn identifiers_are_the_same_with_one_key_and_others_with_another() {
    let source = with("A1", "1.2.3", "20240301");
    let [first, again, other] = [1, 1, 2].map(|byte| deidentifier(byte).data_set(&source));
    assert_eq!(bytes(&first), bytes(&again));
    for tag in [tags::STUDY_INSTANCE_UID, tags::PATIENT_ID, tags::STUDY_DATE] {
        assert_ne!(value(&first, tag), value(&other, tag), "{tag}");
    }
    let uid = value(&first, tags::STUDY_INSTANCE_UID);
    assert!(uid.len() <= 64 && uid.parse::<crate::network::Uid>().is_ok(), "{uid}");
    assert_eq!(value(&first, tags::SOP_CLASS_UID), uids::CT_IMAGE_STORAGE);
}

#[test]
fn what_was_done_is_said_and_text_in_pixels_is_not_denied() {
    let mut source = with("A1", "1.2.3", "20240301");
    let clean = deidentifier(1).data_set(&source);
    assert_eq!(value(&clean, tags::PATIENT_IDENTITY_REMOVED), "YES");
    assert_eq!(value(&clean, tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED), "MODIFIED");
    let codes = clean.get(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE).and_then(|e| e.items()).unwrap();
    assert_eq!(value(&codes[0], tags::CODE_VALUE), "113100");
    assert_eq!(value(&codes[1], tags::CODE_VALUE), "113107");
    put(&mut source, tags::BURNED_IN_ANNOTATION, VR::CS, "YES");
    let clean = deidentifier(1).data_set(&source);
    assert_eq!(value(&clean, tags::BURNED_IN_ANNOTATION), "YES");
    assert_eq!(value(&clean, tags::PATIENT_IDENTITY_REMOVED), "NO");
    assert!(clean.get(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE).is_none());
}

#[test]
fn values_that_are_no_dates_go() {
    let mut source = with("A1", "1.2.3", "Doe 2024");
    put(&mut source, tags::STUDY_TIME, VR::TM, "by Doe");
    let clean = deidentifier(1).data_set(&source);
    assert!(value(&clean, tags::STUDY_DATE).is_empty() && value(&clean, tags::STUDY_TIME).is_empty());
}
