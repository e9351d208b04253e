//! Texts with code extensions (ISO 2022), as scanners in Japan, Korea and China write names, which the parser leaves as they
//! are.

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};
use dicom_object::InMemDicomObject;

/// The escape sequence that brings a set of 8-bit characters in, which the decoder of the set does not want to see, and its
/// name.
const EIGHT_BITS: [(&str, &str); 2] = [("\u{1b}$)C", "ISO 2022 IR 149"), ("\u{1b}$)A", "ISO 2022 IR 58")];
/// The sets that the parser reads byte by byte, so that nothing of the text is lost.
const FIRST: [&str; 5] = ["", "ISO_IR 6", "ISO 2022 IR 6", "ISO_IR 100", "ISO 2022 IR 100"];
/// Japanese.
const JIS: &str = "ISO 2022 IR 87";

/// Decodes the texts of an object whose Specific Character Set names code extensions.
pub(super) fn decode(object: &mut InMemDicomObject) {
    let Some(sets) = object.get(tags::SPECIFIC_CHARACTER_SET).and_then(|element| element.to_str().ok())
    else {
        return;
    };
    let mut sets = sets.split('\\').map(|set| set.trim().to_owned());
    if !sets.next().is_some_and(|first| FIRST.contains(&first.as_str())) {
        return;
    }
    let extensions: Vec<String> = sets.collect();
    let texts: Vec<Tag> =
        object.iter().filter(|element| is_text(element.vr())).map(|e| e.header().tag).collect();
    for tag in texts {
        if let Some(element) = decoded(object, tag, &extensions) {
            object.put(element);
        }
    }
}

fn is_text(vr: VR) -> bool {
    matches!(vr, VR::PN | VR::LO | VR::SH | VR::ST | VR::LT | VR::UC | VR::UT)
}

fn decoded(
    object: &InMemDicomObject,
    tag: Tag,
    extensions: &[String],
) -> Option<DataElement<InMemDicomObject>> {
    let element = object.get(tag)?;
    let raw = element.to_str().ok()?;
    let text = decode_text(&raw, extensions)?;
    Some(DataElement::new(tag, element.vr(), PrimitiveValue::from(text)))
}

/// The text that was read byte by byte, if it has an escape sequence of one of the sets.
fn decode_text(raw: &str, extensions: &[String]) -> Option<String> {
    if !raw.contains('\u{1b}') {
        return None;
    }
    let has = |name: &str| extensions.iter().any(|set| set == name);
    let found = EIGHT_BITS.iter().find(|(escape, name)| has(name) && raw.contains(escape));
    let (text, name) = match found {
        Some((escape, name)) => (raw.replace(escape, ""), *name),
        None if has(JIS) => (raw.to_owned(), JIS),
        None => return None,
    };
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>()?;
    SpecificCharacterSet::from_code(name)?.decode(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_three_scripts_are_decoded() {
        let sets = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let text = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect::<String>();
        // The examples of PS3.5, H.3.1 and I.2.
        let japanese = text(b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B");
        assert_eq!(decode_text(&japanese, &sets(&[JIS])).as_deref(), Some("Yamada^Tarou=山田^太郎"));
        let korean = text(b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7");
        let found = decode_text(&korean, &sets(&["ISO 2022 IR 149"]));
        assert_eq!(found.as_deref(), Some("Hong^Gildong=洪^吉洞"));
        let chinese = text(b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab");
        let found = decode_text(&chinese, &sets(&["ISO 2022 IR 58"]));
        assert_eq!(found.as_deref(), Some("Zhang^XiaoDong=张^小东"));
        assert_eq!(decode_text("Plain^Name", &sets(&[JIS])), None);
        assert_eq!(decode_text(&japanese, &[]), None);
    }
}
