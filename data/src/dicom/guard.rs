//! A look at the structure of a file before anything of it is kept.
//!
//! The parser takes memory for a value before it reads it, and a call for every level of a sequence: a damaged length asks
//! for 4 GiB, nested sequences for the whole stack. Here the same headers are read by the same decoders, values are passed
//! over, and every length is held against what is left of the file.

use crate::quiet::quietly;
use dicom_core::Tag;
use dicom_core::header::Header;
use dicom_encoding::decode::{Decode, file_header_decoder};
use dicom_encoding::text::SpecificCharacterSet;
use dicom_encoding::transfer_syntax::{Codec, TransferSyntax};
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::{CharacterSetOverride, DynStatefulDecoder};
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

/// Sequences and items inside one another; scanners write fewer than 20.
const DEEPEST: usize = 64;
/// Elements of one file. The parser needs some hundred bytes for each, an empty one takes eight of the file.
const MOST_ELEMENTS: usize = 1 << 20;

/// Why a file is not given to the parser.
#[derive(Debug)]
pub(super) enum Fault {
    /// An element claims more bytes than are left.
    Overlong(Tag, u32),
    /// Too many sequences inside one another.
    Deep,
    /// Too many elements.
    Many,
    /// The structure makes no sense.
    Damaged(String),
    /// The file cannot be read.
    Unreadable(io::Error),
}

/// How the file is laid out from the place where the walk starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layout {
    /// A file meta group, which names the encoding of the data set behind it.
    Meta,
    /// A data set in this transfer syntax.
    DataSet(&'static str),
}

/// Walks through a file from `start`. It finds nothing where the parser refuses a file before it takes memory.
pub(super) fn check(file: File, start: u64, layout: Layout) -> Result<(), Fault> {
    // The walk uses code of others, which may meet what its authors did not think of.
    quietly(move || walk_file(file, start, layout))
        .unwrap_or_else(|| Err(Fault::Damaged("its structure makes no sense".to_owned())))
}

/// Walks through a data set in memory.
pub(super) fn check_bytes(bytes: Vec<u8>, syntax: &'static str) -> Result<(), Fault> {
    let walked = quietly(move || {
        let Some(syntax) = TransferSyntaxRegistry.get(syntax) else { return Ok(()) };
        let end = bytes.len() as u64;
        walk(Counted::new(io::Cursor::new(bytes), 0), syntax, Some(end))
    });
    walked.unwrap_or_else(|| Err(Fault::Damaged("its structure makes no sense".to_owned())))
}

fn walk_file(mut file: File, start: u64, layout: Layout) -> Result<(), Fault> {
    let end = file.seek(SeekFrom::End(0)).map_err(Fault::Unreadable)?;
    file.seek(SeekFrom::Start(start)).map_err(Fault::Unreadable)?;
    let mut source = Counted::new(BufReader::new(file), start);
    let uid = match layout {
        Layout::DataSet(uid) => uid.to_owned(),
        Layout::Meta => match transfer_syntax(&mut source, end)? {
            Some(uid) => uid,
            None => return Ok(()),
        },
    };
    let Some(syntax) = TransferSyntaxRegistry.get(&uid) else { return Ok(()) };
    match syntax.codec() {
        Codec::Dataset(Some(inflater)) => {
            walk(Counted::new(inflater.adapt_reader(Box::new(source)), 0), syntax, None)
        }
        Codec::Dataset(None) => Ok(()),
        Codec::None | Codec::EncapsulatedPixelData(..) => walk(source, syntax, Some(end)),
    }
}

/// The transfer syntax in a file meta group, whose elements are passed; none where the group is not one.
fn transfer_syntax(source: &mut Counted<BufReader<File>>, end: u64) -> Result<Option<String>, Fault> {
    let decoder = file_header_decoder();
    let Ok((first, _)) = decoder.decode_header(source) else { return Ok(None) };
    let mut length = [0; 4];
    if first.tag() != Tag(2, 0) || first.len.get() != Some(4) || source.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let group_end = source.at() + u64::from(u32::from_le_bytes(length));
    let mut uid = None;
    while source.at() < group_end {
        let Ok((element, _)) = decoder.decode_header(source) else { return Ok(None) };
        let Some(length) = element.len.get() else { return Ok(None) };
        if u64::from(length) > end.saturating_sub(source.at()) {
            return Err(Fault::Overlong(element.tag(), length));
        }
        let mut value = source.take(u64::from(length));
        if element.tag() == Tag(2, 0x10) {
            let mut bytes = Vec::new();
            value.by_ref().take(64).read_to_end(&mut bytes).map_err(Fault::Unreadable)?;
            let text = String::from_utf8_lossy(&bytes);
            uid = Some(text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0').to_owned());
        }
        io::copy(&mut value, &mut io::sink()).map_err(Fault::Unreadable)?;
    }
    Ok(uid)
}

/// Walks through a data set that ends at `end`, or when nothing more comes.
fn walk<R: Read + 'static>(
    source: Counted<R>,
    syntax: &TransferSyntax,
    end: Option<u64>,
) -> Result<(), Fault> {
    let at = source.at.clone();
    let (text, over) = (SpecificCharacterSet::default(), CharacterSetOverride::default());
    let parser = DynStatefulDecoder::new_with_override(source, syntax, text, over, at.get())
        .map_err(|error| Fault::Damaged(error.to_string()))?;
    let mut reader = LazyDataSetReader::new(parser);
    let (mut depth, mut elements) = (0_usize, 0);
    loop {
        let stray = match reader.advance() {
            None => return Ok(()),
            Some(Err(error)) => return refused_by_parser(&error),
            Some(Ok(token)) => {
                let stray = depth == 0 && matches!(token, LazyDataToken::ItemEnd);
                count(&token, &mut depth, &mut elements)?;
                pass(token, &at, end)?;
                stray
            }
        };
        // The parser goes on behind the end of an item that never began.
        if stray {
            reader = LazyDataSetReader::new(reader.into_decoder());
        }
    }
}

fn count<D>(token: &LazyDataToken<D>, depth: &mut usize, elements: &mut usize) -> Result<(), Fault> {
    match token {
        LazyDataToken::SequenceStart { .. }
        | LazyDataToken::PixelSequenceStart
        | LazyDataToken::ItemStart { .. } => *depth += 1,
        LazyDataToken::SequenceEnd | LazyDataToken::ItemEnd => *depth = depth.saturating_sub(1),
        _ => {}
    }
    if !matches!(token, LazyDataToken::LazyValue { .. } | LazyDataToken::LazyItemValue { .. }) {
        *elements += 1;
    }
    match () {
        () if *depth > DEEPEST => Err(Fault::Deep),
        () if *elements > MOST_ELEMENTS => Err(Fault::Many),
        () => Ok(()),
    }
}

/// Passes over a value whose bytes are all there.
fn pass<D: dicom_parser::StatefulDecode>(
    token: LazyDataToken<D>,
    at: &Rc<Cell<u64>>,
    end: Option<u64>,
) -> Result<(), Fault> {
    let (tag, length) = match &token {
        LazyDataToken::LazyValue { header, .. } => (header.tag, header.len.0),
        LazyDataToken::LazyItemValue { len, .. } => (Tag(0xfffe, 0xe000), *len),
        _ => return Ok(()),
    };
    let begin = at.get();
    let overlong = || Fault::Overlong(tag, length);
    if end.is_some_and(|end| u64::from(length) > end.saturating_sub(begin)) {
        return Err(overlong());
    }
    let skipped = token.skip();
    if at.get() - begin < u64::from(length) {
        return Err(overlong());
    }
    skipped.map_err(|error| Fault::Damaged(error.to_string()))
}

/// What the parser will not read either; it may accept a file that ends early.
fn refused_by_parser(error: &dicom_parser::dataset::lazy_read::Error) -> Result<(), Fault> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        if inner.downcast_ref().is_some_and(ended) {
            return Ok(());
        }
        cause = inner.source();
    }
    Err(Fault::Damaged(crate::error::whole_chain(error)))
}

/// A reader that says how far it has come.
struct Counted<R> {
    inner: R,
    at: Rc<Cell<u64>>,
}

impl<R> Counted<R> {
    fn new(inner: R, start: u64) -> Self {
        Self { inner, at: Rc::new(Cell::new(start)) }
    }

    fn at(&self) -> u64 {
        self.at.get()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.at.set(self.at.get() + read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::uids;
    use std::io::Write;

    fn walked(bytes: &[u8], layout: Layout) -> Result<(), Fault> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        check(file, 0, layout)
    }

    fn explicit(bytes: &[u8]) -> Result<(), Fault> {
        walked(bytes, Layout::DataSet(uids::EXPLICIT_VR_LITTLE_ENDIAN))
    }

    fn overlong(outcome: &Result<(), Fault>) -> Option<(u16, u16, u32)> {
        match outcome {
            Err(Fault::Overlong(tag, length)) => Some((tag.group(), tag.element(), *length)),
            _ => None,
        }
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lengths_beyond_the_end_are_found() {
        explicit(b"\x08\0\x05\0CS\x02\0AB\x10\0\x10\0PN\x04\0A^B ").unwrap();
        let found = explicit(b"\x08\0\x05\0CS\x02\0AB\x10\0\x10\0PN\x06\0A^B ");
        assert_eq!(overlong(&found), Some((0x10, 0x10, 6)));
        let implicit = b"\x08\0\x05\0\x00\x00\x00\x70AB";
        let found = walked(implicit, Layout::DataSet(uids::IMPLICIT_VR_LITTLE_ENDIAN));
        assert_eq!(overlong(&found), Some((8, 5, 0x7000_0000)));
        // Inside a sequence with an item of undefined length.
        let nested =
            b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff\x08\0\x05\0CS\xf0\x0fAB";
        assert_eq!(overlong(&explicit(nested)), Some((8, 5, 0x0ff0)));
        // A representation that nobody knows has a length of four bytes.
        assert_eq!(overlong(&explicit(b"\x08\0\x05\0ZZ\0\0\xf0\xff\xff\x7fAB")), Some((8, 5, 0x7fff_fff0)));
        // Fragments of pixels.
        let pixels = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0\x04\0\0\0\xff\xff\xff\xff\xfe\xff\xdd\xe0\0\0\0\0";
        explicit(pixels).unwrap();
        let mut longer = pixels.to_vec();
        longer[24] = 40;
        assert_eq!(overlong(&explicit(&longer)), Some((0xfffe, 0xe000, 40)));
    }

    #[test]
    fn deflated_data_are_looked_at_as_well() {
        let layout = Layout::DataSet(uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN);
        walked(&deflated(b"\x08\0\x05\0CS\x02\0AB"), layout).unwrap();
        let found = walked(&deflated(b"\x08\0\x05\0UN\0\0\xf0\xff\xff\xffAB"), layout);
        assert_eq!(overlong(&found), Some((8, 5, 0xffff_fff0)));
    }

    #[test]
    fn deep_and_endless_files_are_refused() {
        let level = b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff".repeat(DEEPEST / 2);
        explicit(&level).unwrap();
        let deeper = [&level[..], b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff"].concat();
        assert!(matches!(explicit(&deeper), Err(Fault::Deep)));
        let many = b"\x08\0\x05\0CS\0\0".repeat(MOST_ELEMENTS + 1);
        assert!(matches!(explicit(&many), Err(Fault::Many)));
    }

    #[test]
    fn a_group_that_lies_about_its_length_is_followed_as_the_parser_follows_it() {
        let meta = |syntax: &[u8]| {
            let mut bytes = b"\x02\0\0\0UL\x04\0".to_vec();
            bytes.extend((8 + syntax.len() as u32).to_le_bytes());
            bytes.extend(b"\x02\0\x10\0UI");
            bytes.extend((syntax.len() as u16).to_le_bytes());
            bytes.extend(syntax);
            bytes
        };
        let mut whole = meta(b"1.2.840.10008.1.2\0");
        whole.extend(b"\x08\0\x05\0\xf0\xff\0\0AB");
        assert_eq!(overlong(&walked(&whole, Layout::Meta)), Some((8, 5, 0xfff0)));
        let mut overlong_meta = b"\x02\0\0\0UL\x04\0\xff\0\0\0\x02\0\x02\0UI\xf0\xff".to_vec();
        overlong_meta.extend(b"1.2");
        assert_eq!(overlong(&walked(&overlong_meta, Layout::Meta)), Some((2, 2, 0xfff0)));
    }
}
