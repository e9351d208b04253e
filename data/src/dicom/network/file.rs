//! Files as the network has them: what they say about themselves, and a data set that is not looked into.

use super::link::trimmed;
use super::uid::Uid;
use crate::DataError;
use crate::dicom::file::{DataSetPlace, data_set_place, open_header};
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A file to be sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) path: PathBuf,
    pub(super) class: Uid,
    pub(super) instance: Uid,
    pub(super) syntax: String,
    place: DataSetPlace,
}

impl Outgoing {
    /// Looks at a file; its structure is checked, its pixels are not read.
    ///
    /// # Errors
    /// [`DataError`] when it is not a DICOM object that can be sent.
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let object = open_header(path)?;
        let place = data_set_place(path)?;
        let meta = object.meta();
        let uid = |text: &str, what: &str| {
            let missing =
                |_| DataError::input(path, format!("has no valid {what}"), "send a complete DICOM object");
            text.parse::<Uid>().map_err(missing)
        };
        Ok(Self {
            path: path.to_owned(),
            class: uid(meta.media_storage_sop_class_uid(), "SOP Class UID")?,
            instance: uid(meta.media_storage_sop_instance_uid(), "SOP Instance UID")?,
            syntax: trimmed(meta.transfer_syntax()).to_owned(),
            place,
        })
    }

    /// The bytes of its data set, and how many they are.
    ///
    /// # Errors
    /// [`DataError::Unreadable`].
    pub(super) fn data_set(&self) -> Result<(BufReader<File>, u64), DataError> {
        let unreadable = |source| DataError::unreadable(&self.path, source);
        let mut file = crate::open_regular(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(self.place.offset)).map_err(unreadable)?;
        Ok((BufReader::new(file), self.place.length))
    }
}
