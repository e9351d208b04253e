//! Data sets in memory, to bytes and back.

use super::guard;
use super::repair::repair;
use crate::quiet::quietly;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};

/// A data set in this transfer syntax, with its texts decoded; `None` if it is damaged.
pub(super) fn decoded(bytes: &[u8], syntax: &'static str) -> Option<InMemDicomObject> {
    guard::check_bytes(bytes.to_vec(), syntax).ok()?;
    let syntax = TransferSyntaxRegistry.get(syntax)?;
    let mut object = quietly(|| InMemDicomObject::read_dataset_with_ts(bytes, syntax).ok())??;
    repair(&mut object);
    Some(object)
}

/// The bytes of a data set in this transfer syntax; `None` if a value cannot be written.
pub(super) fn encoded(object: &InMemDicomObject, syntax: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    object.write_dataset_with_ts(&mut bytes, TransferSyntaxRegistry.get(syntax)?).ok()?;
    Some(bytes)
}
