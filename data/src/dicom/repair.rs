//! Faults of real files that can be put right without guessing at values.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;

/// Gives elements that a proxy has marked as unknown (UN) the representation of the dictionary, and adds what old
/// files leave out because they know only grey pixels; texts with code extensions are decoded.
pub(super) fn repair(object: &mut InMemDicomObject) {
    super::charset::decode(object);
    let unknown: Vec<Tag> =
        object.iter().filter(|element| element.vr() == VR::UN).map(|e| e.header().tag).collect();
    for tag in unknown {
        if let Some(element) = retyped(object, tag) {
            object.put(element);
        }
    }
    if object.get(tags::ROWS).is_some() {
        if object.get(tags::PHOTOMETRIC_INTERPRETATION).is_none() {
            object.put(DataElement::new(
                tags::PHOTOMETRIC_INTERPRETATION,
                VR::CS,
                PrimitiveValue::from("MONOCHROME2"),
            ));
        }
        if object.get(tags::SAMPLES_PER_PIXEL).is_none() {
            object.put(DataElement::new(tags::SAMPLES_PER_PIXEL, VR::US, PrimitiveValue::from(1u16)));
        }
    }
}

/// Texts and 16-bit numbers; anything else stays unknown. Unknown elements are always little-endian (PS3.5, 6.2.2).
fn retyped(object: &InMemDicomObject, tag: Tag) -> Option<DataElement<InMemDicomObject>> {
    let bytes = object.get(tag)?.to_bytes().ok()?.into_owned();
    let representation = StandardDataDictionary.by_tag(tag)?.vr().relaxed();
    let value = match representation {
        VR::US => {
            let (pairs, _) = bytes.as_chunks::<2>();
            PrimitiveValue::U16(pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect())
        }
        VR::AE | VR::AS | VR::CS | VR::DA | VR::DS | VR::IS | VR::LO | VR::PN | VR::SH | VR::TM | VR::UI => {
            let text = String::from_utf8(bytes).ok()?;
            PrimitiveValue::Strs(text.trim_end_matches('\0').split('\\').map(str::to_owned).collect())
        }
        _ => return None,
    };
    Some(DataElement::new(tag, representation, value))
}
