//! Data sets without what names a patient: the Basic Application Level Confidentiality Profile (PS3.15, annex E) with the
//! option to retain modified dates.

mod action;
mod dates;
mod key;
mod table;

use super::attributes::text;
use super::builder::Builder;
use super::source::DicomSource;
use crate::{DataError, Source};
use action::Action;
use dicom_core::header::Header;
use dicom_core::value::{DataSetSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use key::Key;
use std::fmt;
use std::path::Path;

#[cfg(test)]
mod tests;

/// What replaces a text.
const DUMMY: &str = "ANONYMIZED";
/// The identifiers that the standard itself gives out.
const WELL_KNOWN: &str = "1.2.840.10008.";
/// Dates move back by at most this many days, ten years.
const MOST_DAYS: u64 = 3650;

/// Makes pseudonyms with a secret key: the same of the same, unlike with another key.
#[derive(Clone)]
pub struct Deidentifier {
    key: Key,
}

/// Nothing of the key.
impl fmt::Debug for Deidentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deidentifier").finish_non_exhaustive()
    }
}

/// The patient of a data set: the pseudonym, and by how many days dates move back.
struct Patient {
    pseudonym: String,
    days: i64,
}

impl Deidentifier {
    /// With the key in a file: 32 random bytes or more, all of the file.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], or [`DataError::Input`] for a file that is no good secret.
    pub fn from_key_file(path: &Path) -> Result<Self, DataError> {
        Ok(Self { key: Key::read(path)? })
    }

    /// With a key from memory.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { key: Key::new(secret) }
    }

    /// A data set without what names its patient.
    ///
    /// Patient ID and Patient's Name become one pseudonym; UIDs become others, the same the same, those of the standard
    /// stay; dates move back by 1 to 3650 days, one number for each patient; times of day stay; private attributes, and those
    /// that the dictionary does not know, go; sequences are walked. Pixels stay as they are: Patient Identity Removed is
    /// NO where Burned In Annotation says that there is text in them.
    #[must_use]
    pub fn data_set(&self, object: &InMemDicomObject) -> InMemDicomObject {
        let patient = self.patient(object);
        let mut image = Builder(self.without_identity(object, &patient));
        image.text(tags::PATIENT_NAME, VR::PN, &patient.pseudonym);
        image.text(tags::PATIENT_ID, VR::LO, &patient.pseudonym);
        image.text(tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, VR::CS, "MODIFIED");
        declare(&mut image, is_burned_in(object));
        image.0
    }

    /// What a derived image takes over from its source, without what names the patient; other sources have nothing.
    #[must_use]
    pub fn source(&self, source: &Source) -> Source {
        match source {
            Source::Dicom(source) => Source::Dicom(self.dicom_source(source)),
            other => other.clone(),
        }
    }

    /// Whether the source says of an image that there is text in its pixels, which stays there.
    pub fn leaves_burned_in_text(&self, source: &Source) -> bool {
        let Source::Dicom(source) = source else { return false };
        source.slices.iter().any(|slice| slice.burned_in.as_deref().is_some_and(|said| said != "NO"))
    }

    fn dicom_source(&self, source: &DicomSource) -> DicomSource {
        let mut clean = source.clone();
        clean.is_deidentified = true;
        for slice in &mut clean.slices {
            if let Some(burned_in) = &slice.burned_in {
                let value = PrimitiveValue::from(burned_in.as_str());
                slice.attributes.put(DataElement::new(tags::BURNED_IN_ANNOTATION, VR::CS, value));
            }
            slice.attributes = self.data_set(&slice.attributes);
            slice.instance = self.uid(&slice.instance);
            slice.series = slice.series.as_deref().map(|uid| self.uid(uid));
        }
        clean
    }

    /// By number, without one by name and birth date, without those by study.
    fn patient(&self, object: &InMemDicomObject) -> Patient {
        let value = |tag| text(object, tag).unwrap_or_default();
        let named = [tags::PATIENT_NAME, tags::PATIENT_BIRTH_DATE].map(value).join("\0");
        let subject = match value(tags::PATIENT_ID) {
            id if !id.is_empty() => format!("id\0{id}"),
            _ if named.len() > 1 => format!("name\0{named}"),
            _ => format!("study\0{}", value(tags::STUDY_INSTANCE_UID)),
        };
        let code = |kind| {
            let code = self.key.code(kind, &subject);
            u64::from_be_bytes(std::array::from_fn(|byte| code[byte]))
        };
        Patient {
            pseudonym: format!("ANON-{:016X}", code("patient")),
            days: 1 + (code("days") % MOST_DAYS) as i64,
        }
    }

    /// The replacement of an identifier; those of the standard, and empty ones, stay.
    fn uid(&self, uid: &str) -> String {
        let uid = uid.trim_matches(['\0', ' ']);
        if uid.is_empty() || uid.starts_with(WELL_KNOWN) {
            return uid.to_owned();
        }
        let code = self.key.code("uid", uid);
        let bytes = std::array::from_fn(|byte| code[byte]);
        format!("2.25.{}", uuid::Builder::from_custom_bytes(bytes).into_uuid().as_u128())
    }

    fn without_identity(&self, object: &InMemDicomObject, patient: &Patient) -> InMemDicomObject {
        let mut clean = InMemDicomObject::new_empty();
        for element in object.iter() {
            let changed = self.element(element, patient);
            changed.into_iter().for_each(|element| {
                clean.put(element);
            });
        }
        clean
    }

    fn element(&self, element: &InMemElement, patient: &Patient) -> Option<InMemElement> {
        let (tag, vr) = (element.tag(), element.vr());
        let text = |value: String| DataElement::new(tag, vr, PrimitiveValue::from(value));
        match Action::of(tag, vr) {
            Action::Remove => None,
            Action::Keep | Action::Replace if vr == VR::SQ => Some(self.sequence(element, patient)),
            Action::Keep => Some(element.clone()),
            Action::Replace => Some(text(each(element, |uid| Some(self.uid(uid))))),
            Action::Empty => Some(empty(tag, vr)),
            Action::Clean => Some(text(each(element, |value| match vr {
                VR::DA => dates::earlier_date(value, patient.days),
                VR::DT => dates::earlier_date_time(value, patient.days),
                VR::TM => dates::time(value),
                _ => None,
            }))),
            Action::Dummy => Some(dummy(tag, vr)),
        }
    }

    fn sequence(&self, element: &InMemElement, patient: &Patient) -> InMemElement {
        let items = element.items().unwrap_or_default().iter();
        let items: Vec<InMemDicomObject> = items.map(|item| self.without_identity(item, patient)).collect();
        DataElement::new(element.tag(), VR::SQ, DataSetSequence::from(items))
    }
}

fn is_burned_in(object: &InMemDicomObject) -> bool {
    text(object, tags::BURNED_IN_ANNOTATION).is_some_and(|said| said != "NO")
}

/// Says what was done (PS3.3, C.7.1.1); of an image with text in its pixels nobody can say that it names nobody.
fn declare(image: &mut Builder, burned_in: bool) {
    if burned_in {
        image.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "NO");
        image.0.remove_element(tags::DEIDENTIFICATION_METHOD);
        image.0.remove_element(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
        return;
    }
    image.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES");
    image.text(tags::DEIDENTIFICATION_METHOD, VR::LO, "recon: PS3.15 Basic Profile, modified dates");
    let codes = [
        ("113100", "Basic Application Confidentiality Profile"),
        ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ];
    let items = codes.map(|(value, meaning)| super::derived::code(value, meaning)).to_vec();
    image.sequence(tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE, items);
}

/// The values of a list, each changed; those that cannot be are emptied.
fn each(element: &InMemElement, change: impl Fn(&str) -> Option<String>) -> String {
    let Ok(text) = element.to_str() else { return String::new() };
    text.split('\\').map(|value| change(value).unwrap_or_default()).collect::<Vec<_>>().join("\\")
}

fn empty(tag: Tag, vr: VR) -> InMemElement {
    match vr {
        VR::SQ => DataElement::new(tag, vr, DataSetSequence::from(Vec::<InMemDicomObject>::new())),
        _ => DataElement::new(tag, vr, Value::Primitive(PrimitiveValue::Empty)),
    }
}

fn dummy(tag: Tag, vr: VR) -> InMemElement {
    let text = |value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    match vr {
        VR::AE | VR::CS | VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT => text(DUMMY),
        VR::AS => text("000Y"),
        VR::DS | VR::IS => text("0"),
        VR::UR => text("urn:anonymized"),
        _ => empty(tag, vr),
    }
}
