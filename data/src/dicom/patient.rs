//! Patient and study of a derived image: taken over from the source, with what makes a file invalid put right.

use super::attributes::text;
use super::builder::Builder;
use dicom_core::VR;
use dicom_dictionary_std::tags;

/// Fills in what the source lacks; `study` names the study if the source does not.
pub(super) fn patient_and_study(image: &mut Builder, study: &str) {
    // Every text is Unicode here, whatever the source was encoded in.
    image.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    mend(image);
    image.default(tags::PATIENT_NAME, VR::PN, "ANON");
    image.default(tags::PATIENT_ID, VR::LO, "ANON");
    image.default(tags::STUDY_INSTANCE_UID, VR::UI, study);
    for (tag, vr) in [
        (tags::PATIENT_BIRTH_DATE, VR::DA),
        (tags::PATIENT_SEX, VR::CS),
        (tags::STUDY_DATE, VR::DA),
        (tags::STUDY_TIME, VR::TM),
        (tags::STUDY_ID, VR::SH),
        (tags::ACCESSION_NUMBER, VR::SH),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    ] {
        image.default(tag, vr, "");
    }
}

/// Ages without a unit go, dates and times lose the separators of ACR-NEMA, and a source without identity says how
/// it lost it.
fn mend(image: &mut Builder) {
    if !text(&image.0, tags::PATIENT_AGE).is_some_and(|age| is_age(&age)) {
        image.0.remove_element(tags::PATIENT_AGE);
    }
    for tag in [tags::PATIENT_BIRTH_DATE, tags::STUDY_DATE] {
        let date = text(&image.0, tag).map(|date| date.replace(['.', '-'], "")).unwrap_or_default();
        let valid = date.len() == 8 && date.bytes().all(|c| c.is_ascii_digit());
        image.text(tag, VR::DA, if valid { &date } else { "" });
    }
    let time = text(&image.0, tags::STUDY_TIME).map(|time| time.replace(':', "")).unwrap_or_default();
    image.text(tags::STUDY_TIME, VR::TM, &time);
    if text(&image.0, tags::PATIENT_IDENTITY_REMOVED).as_deref() == Some("YES") {
        image.default(tags::DEIDENTIFICATION_METHOD, VR::LO, "not stated by the source");
    } else {
        image.0.remove_element(tags::DEIDENTIFICATION_METHOD);
    }
}

/// Three digits and a unit, as in `042Y`.
fn is_age(text: &str) -> bool {
    let Some((number, unit)) = text.split_at_checked(3) else { return false };
    number.bytes().all(|c| c.is_ascii_digit()) && matches!(unit, "D" | "W" | "M" | "Y")
}

/// Body parts of which a patient has one (PS3.16, annex L).
const UNPAIRED: [&str; 38] = [
    "ABDOMEN",
    "ABDOMENPELVIS",
    "AORTA",
    "BLADDER",
    "BRAIN",
    "CHEST",
    "CHESTABDOMEN",
    "CHESTABDPELVIS",
    "COCCYX",
    "COLON",
    "CSPINE",
    "CTSPINE",
    "ESOPHAGUS",
    "HEAD",
    "HEADNECK",
    "HEART",
    "JAW",
    "LIVER",
    "LSPINE",
    "LSSPINE",
    "MEDIASTINUM",
    "NECK",
    "NECKCHEST",
    "NECKCHESTABDOMEN",
    "NECKCHESTABDPELV",
    "NOSE",
    "PANCREAS",
    "PELVIS",
    "PROSTATE",
    "RECTUM",
    "SKULL",
    "SPINE",
    "SPLEEN",
    "SSPINE",
    "STOMACH",
    "TLSPINE",
    "TSPINE",
    "WHOLEBODY",
];

/// The side is not allowed for unpaired body parts, and asked for (if empty) where the part is paired or not known.
pub(super) fn laterality(image: &mut Builder) {
    match text(&image.0, tags::BODY_PART_EXAMINED) {
        Some(part) if UNPAIRED.contains(&part.as_str()) => {
            image.0.remove_element(tags::LATERALITY);
        }
        _ => image.default(tags::LATERALITY, VR::CS, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_object::InMemDicomObject;

    #[test]
    fn invalid_values_are_mended() {
        let mut image = Builder(InMemDicomObject::new_empty());
        image.text(tags::PATIENT_AGE, VR::AS, "42");
        image.text(tags::STUDY_DATE, VR::DA, "1996.12.02");
        image.text(tags::PATIENT_BIRTH_DATE, VR::DA, "unknown");
        image.text(tags::STUDY_TIME, VR::TM, "10:20:30");
        image.text(tags::BODY_PART_EXAMINED, VR::CS, "HEAD");
        image.text(tags::LATERALITY, VR::CS, "");
        patient_and_study(&mut image, "2.25.1");
        laterality(&mut image);
        let value = |tag| text(&image.0, tag);
        assert!(image.0.get(tags::PATIENT_AGE).is_none() && image.0.get(tags::LATERALITY).is_none());
        assert_eq!(value(tags::STUDY_DATE).as_deref(), Some("19961202"));
        assert_eq!(value(tags::STUDY_TIME).as_deref(), Some("102030"));
        assert_eq!(value(tags::PATIENT_BIRTH_DATE), None);
        assert_eq!(value(tags::STUDY_INSTANCE_UID).as_deref(), Some("2.25.1"));
    }
}
