//! Values of attributes, where a missing or unreadable one is `None`: real files have both.

use dicom_core::Tag;
use dicom_object::InMemDicomObject;

/// A trimmed text, `None` if empty; the values of a list stay joined by backslashes.
pub(super) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let value = object.get(tag)?.to_str().ok()?;
    let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!value.is_empty()).then(|| value.to_owned())
}

/// Finite numbers, all or none.
pub(super) fn numbers(object: &InMemDicomObject, tag: Tag) -> Option<Vec<f64>> {
    let element = object.get(tag)?;
    let values = element.to_multi_float64().ok().or_else(|| {
        let text = element.to_str().ok()?;
        text.split('\\').map(|part| part.trim_matches([' ', '\0']).parse().ok()).collect()
    })?;
    (!values.is_empty() && values.iter().all(|value| value.is_finite())).then_some(values)
}

/// The first number.
pub(super) fn number(object: &InMemDicomObject, tag: Tag) -> Option<f64> {
    numbers(object, tag)?.first().copied()
}

/// Exactly `N` numbers.
pub(super) fn vector<const N: usize>(object: &InMemDicomObject, tag: Tag) -> Option<[f64; N]> {
    numbers(object, tag)?.try_into().ok()
}

/// A whole number that is not negative.
pub(super) fn count(object: &InMemDicomObject, tag: Tag) -> Option<usize> {
    let value = number(object, tag)?;
    (value >= 0.0 && value.fract() == 0.0 && value < 4e9).then_some(value as usize)
}

/// Item `index` of a sequence.
pub(super) fn item(object: &InMemDicomObject, sequence: Tag, index: usize) -> Option<&InMemDicomObject> {
    object.get(sequence)?.items()?.get(index)
}
