//! Putting values into a data set.

use super::attributes;
use super::stored::decimal_string;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_object::InMemDicomObject;

/// A data set under construction.
pub(super) struct Builder(pub(super) InMemDicomObject);

impl Builder {
    pub(super) fn text(&mut self, tag: Tag, vr: VR, value: &str) {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }

    pub(super) fn list(&mut self, tag: Tag, vr: VR, values: &[String]) {
        self.0.put(DataElement::new(tag, vr, PrimitiveValue::Strs(values.iter().cloned().collect())));
    }

    pub(super) fn decimals(&mut self, tag: Tag, values: &[f64]) {
        self.list(tag, VR::DS, &values.iter().map(|&value| decimal_string(value)).collect::<Vec<_>>());
    }

    pub(super) fn number(&mut self, tag: Tag, value: u16) {
        self.0.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }

    pub(super) fn sequence(&mut self, tag: Tag, items: Vec<InMemDicomObject>) {
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
    }

    /// A value for an attribute that the source lacks or leaves empty; an empty one where the standard allows it.
    pub(super) fn default(&mut self, tag: Tag, vr: VR, value: &str) {
        if attributes::text(&self.0, tag).is_none() {
            self.text(tag, vr, value);
        }
    }
}
