//! Opening one file: with or without preamble and file meta group.

use super::attributes::text;
use super::guard::{self, Fault, Layout};
use super::repair::repair;
use crate::error::whole_chain;
use crate::{DataError, open_regular};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::file::ReadPreamble;
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject, OpenFileOptions};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

const COPY_AGAIN: &str = "copy or export it again";

/// How a file starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Preamble, `DICM`, file meta group.
    Standard,
    /// `DICM` and the file meta group without the preamble.
    Magic,
    /// A file meta group with nothing before it.
    Meta,
    /// A data set at this offset without a file meta group.
    DataSet(u64, Encoding),
}

/// The encodings that a data set without a file meta group can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Implicit,
    Explicit,
    BigEndian,
}

impl Encoding {
    fn uid(self) -> &'static str {
        match self {
            Self::Implicit => uids::IMPLICIT_VR_LITTLE_ENDIAN,
            Self::Explicit => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            // Retired from the standard and still met in archives.
            Self::BigEndian => "1.2.840.10008.1.2.2",
        }
    }

    /// Of a data set that starts with group 8 and a plausible first element.
    fn of(start: &[u8]) -> Option<Self> {
        let head = start.first_chunk::<8>()?;
        let explicit = head[4..6].iter().all(u8::is_ascii_uppercase);
        match (head[0], head[1], head[2], head[3]) {
            (8, 0, _, 0) if explicit => Some(Self::Explicit),
            (8, 0, _, 0) if u32::from_le_bytes([head[4], head[5], head[6], head[7]]) < 1 << 16 => {
                Some(Self::Implicit)
            }
            (0, 8, 0, _) if explicit => Some(Self::BigEndian),
            _ => None,
        }
    }
}

/// Whether these first bytes (at least 140, where the file has them) are those of a DICOM file.
pub(crate) fn looks_like(start: &[u8]) -> bool {
    start_of(start).is_some()
}

fn start_of(start: &[u8]) -> Option<Start> {
    let after_magic = start.get(128..132).filter(|magic| magic == b"DICM").and_then(|_| start.get(132..));
    if let Some(rest) = after_magic {
        return match Encoding::of(rest) {
            Some(encoding) => Some(Start::DataSet(132, encoding)),
            None => Some(Start::Standard),
        };
    }
    if start.starts_with(b"DICM") {
        return Some(Start::Magic);
    }
    if start.starts_with(&[2, 0]) && start.get(3..6) == Some(b"\0UL") {
        return Some(Start::Meta);
    }
    Encoding::of(start).map(|encoding| Start::DataSet(0, encoding))
}

/// Where the data set of a file is.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataSetPlace {
    /// The first byte.
    pub(super) offset: u64,
    /// How many bytes it has; everything up to the end of the file.
    pub(super) length: u64,
}

/// Finds the data set behind preamble and file meta group, whose length stands in its first element.
pub(super) fn data_set_place(path: &Path) -> Result<DataSetPlace, DataError> {
    let unreadable = |source| DataError::unreadable(path, source);
    let file = open_regular(path).map_err(unreadable)?;
    let end = file.metadata().map_err(unreadable)?.len();
    let mut start = Vec::new();
    file.take(144).read_to_end(&mut start).map_err(unreadable)?;
    let behind = |group: usize| {
        let length = start.get(group + 8..)?.first_chunk::<4>()?;
        Some(group as u64 + 12 + u64::from(u32::from_le_bytes(*length)))
    };
    let offset = match start_of(&start) {
        Some(Start::DataSet(offset, _)) => Some(offset),
        Some(Start::Standard) => behind(132),
        Some(Start::Magic) => behind(4),
        Some(Start::Meta) => behind(0),
        None => None,
    };
    match offset.filter(|&offset| offset < end) {
        Some(offset) => Ok(DataSetPlace { offset, length: end - offset }),
        None => Err(DataError::input(path, "has no data set", COPY_AGAIN)),
    }
}

/// Refuses a file whose structure is damaged.
pub(super) fn check_whole(path: &Path) -> Result<(), DataError> {
    check_structure(path, Start::Standard)
}

/// The attributes of a file without the pixels.
pub(super) fn open_header(path: &Path) -> Result<DefaultDicomObject, DataError> {
    open(path, Some(tags::PIXEL_DATA))
}

/// The whole file.
pub(super) fn open_whole(path: &Path) -> Result<DefaultDicomObject, DataError> {
    open(path, None)
}

fn open(path: &Path, until: Option<Tag>) -> Result<DefaultDicomObject, DataError> {
    let unreadable = |source| DataError::unreadable(path, source);
    let mut file = BufReader::new(open_regular(path).map_err(unreadable)?);
    let mut start = Vec::new();
    file.by_ref().take(144).read_to_end(&mut start).map_err(unreadable)?;
    let Some(kind) = start_of(&start) else {
        return Err(DataError::input(path, "is not a DICOM file", "give a DICOM image"));
    };
    check_structure(path, kind)?;
    file.seek(SeekFrom::Start(if let Start::DataSet(offset, _) = kind { offset } else { 0 }))
        .map_err(unreadable)?;
    let options = || match until {
        Some(tag) => OpenFileOptions::new().read_until(tag),
        None => OpenFileOptions::new(),
    };
    let outcome = match kind {
        Start::Standard => options().read_preamble(ReadPreamble::Always).from_reader(file),
        Start::Magic => options().read_preamble(ReadPreamble::Never).from_reader(file),
        Start::Meta => options().read_preamble(ReadPreamble::Never).from_reader(b"DICM".chain(file)),
        Start::DataSet(_, encoding) => return headless(path, file, encoding),
    };
    let mut object = outcome.map_err(|error| unreadable_dicom(path, &whole_chain(&error)))?;
    repair(&mut object);
    Ok(object)
}

/// Refuses a file that the parser should not be given.
fn check_structure(path: &Path, kind: Start) -> Result<(), DataError> {
    let (offset, layout) = match kind {
        Start::Standard => (132, Layout::Meta),
        Start::Magic => (4, Layout::Meta),
        Start::Meta => (0, Layout::Meta),
        Start::DataSet(offset, encoding) => (offset, Layout::DataSet(encoding.uid())),
    };
    let file = open_regular(path).map_err(|source| DataError::unreadable(path, source))?;
    let what = match guard::check(file, offset, layout) {
        Ok(()) => return Ok(()),
        Err(Fault::Unreadable(source)) => return Err(DataError::unreadable(path, source)),
        Err(Fault::Damaged(cause)) => return Err(unreadable_dicom(path, &cause)),
        Err(Fault::Overlong(tag, length)) => {
            let (group, element) = (tag.group(), tag.element());
            format!("is cut short or damaged (element {group:04X},{element:04X} claims {length} bytes)")
        }
        Err(Fault::Deep) => "is damaged: its sequences are nested too deeply".to_owned(),
        Err(Fault::Many) => "has too many elements for an image".to_owned(),
    };
    Err(DataError::input(path, what, COPY_AGAIN))
}

fn unreadable_dicom(path: &Path, cause: &str) -> DataError {
    let unsupported = cause.contains("nsupported") || cause.contains("nrecognized");
    let advice = if unsupported {
        "convert it to explicit VR little endian, for example with gdcmconv --raw"
    } else {
        COPY_AGAIN
    };
    DataError::input(path, format!("cannot be read as DICOM ({cause})"), advice)
}

/// A data set without file meta group, as old scanners and `dcmconv -F` export it.
fn headless(path: &Path, file: impl Read, encoding: Encoding) -> Result<DefaultDicomObject, DataError> {
    let fail = |cause: String| unreadable_dicom(path, &cause);
    let syntax =
        TransferSyntaxRegistry.get(encoding.uid()).ok_or_else(|| fail("unknown encoding".to_owned()))?;
    let mut object =
        InMemDicomObject::read_dataset_with_ts(file, syntax).map_err(|error| fail(whole_chain(&error)))?;
    repair(&mut object);
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(encoding.uid())
        .media_storage_sop_class_uid(text(&object, tags::SOP_CLASS_UID).unwrap_or_default())
        .media_storage_sop_instance_uid(text(&object, tags::SOP_INSTANCE_UID).unwrap_or_default())
        .build()
        .map_err(|error| fail(whole_chain(&error)))?;
    Ok(object.with_exact_meta(meta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_told_apart() {
        let standard = [&[0; 128][..], b"DICM\x02\0\0\0UL\x04\0\0\0\0\0"].concat();
        assert_eq!(start_of(&standard), Some(Start::Standard));
        assert_eq!(start_of(b"\x02\0\0\0UL\x04\0"), Some(Start::Meta));
        assert_eq!(start_of(b"\x08\0\x05\0CS\x0a\0"), Some(Start::DataSet(0, Encoding::Explicit)));
        assert_eq!(start_of(b"\x08\0\x05\0\x0a\0\0\0"), Some(Start::DataSet(0, Encoding::Implicit)));
        assert_eq!(start_of(b"\0\x08\0\x05CS\0\x0a"), Some(Start::DataSet(0, Encoding::BigEndian)));
        assert_eq!(start_of(b"hello world"), None);
        let no_meta = [&[0; 128][..], b"DICM\x08\0\x05\0CS\x0a\0"].concat();
        assert_eq!(start_of(&no_meta), Some(Start::DataSet(132, Encoding::Explicit)));
    }
}
