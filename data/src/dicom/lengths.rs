//! A walk over the elements of a file that only looks at their lengths.
//!
//! The parser takes memory for a value before it reads it, so one damaged length asks for 4 GiB. Here every length
//! is held against what is left of the file first.

use dicom_dictionary_std::uids;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

/// Length of a value that ends with a delimiter instead.
const UNDEFINED: u32 = u32::MAX;
/// Explicit representations whose length has four bytes after two empty ones.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];

/// How the elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// The first value that is longer than the rest of the file: (group, element, claimed length).
///
/// The walk starts at `offset`, with the file meta group or the data set itself. It ends without a finding where it
/// no longer understands the file, which is for the parser to judge, and at a compressed data set.
pub(super) fn first_overlong<R: Read + Seek>(
    file: R,
    offset: u64,
    big_endian: bool,
) -> std::io::Result<Option<(u16, u16, u32)>> {
    let mut file = BufReader::new(file);
    let end = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(offset))?;
    let mut order = if big_endian { Order::Big } else { Order::Little };
    let mut at = offset;
    let mut in_meta = false;
    let mut after_meta = Order::Little;
    let mut in_fragments = false;
    loop {
        let head = file.fill_buf()?;
        if head.is_empty() {
            return Ok(None);
        }
        if in_meta && head.first_chunk::<2>().is_some_and(|group| u16::from_le_bytes(*group) != 2) {
            in_meta = false;
            order = after_meta;
        }
        let mut bytes = [0; 12];
        let Some(element) = Element::read(&mut file, &mut bytes, order)? else { return Ok(None) };
        at += element.head;
        in_meta |= element.group == 2;
        let is_item = element.group == 0xfffe;
        if element.length == UNDEFINED {
            // The fragments of compressed pixels are items of bytes, all others are data sets to walk into.
            in_fragments |= (element.group, element.element) == (0x7fe0, 0x0010);
            continue;
        }
        if u64::from(element.length) > end.saturating_sub(at) {
            return Ok(Some((element.group, element.element, element.length)));
        }
        if (element.group, element.element) == (2, 0x0010) {
            let mut value = vec![0; element.length.min(64) as usize];
            file.read_exact(&mut value)?;
            at += value.len() as u64;
            let syntax = String::from_utf8_lossy(&value);
            match syntax.trim_end_matches(['\0', ' ']) {
                uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN => return Ok(None),
                "1.2.840.10008.1.2.2" => after_meta = Order::Big,
                _ => {}
            }
            continue;
        }
        let walk_in = (is_item && !in_fragments) || element.is_sequence;
        if !walk_in {
            file.seek_relative(i64::from(element.length))?;
            at += u64::from(element.length);
        }
    }
}

/// Tag and length of one element.
struct Element {
    group: u16,
    element: u16,
    length: u32,
    is_sequence: bool,
    /// Bytes before the value.
    head: u64,
}

impl Element {
    /// `None` at the end of the file.
    fn read(file: &mut impl Read, bytes: &mut [u8; 12], order: Order) -> std::io::Result<Option<Self>> {
        if file.read_exact(&mut bytes[..8]).is_err() {
            return Ok(None);
        }
        let short = |pair: [u8; 2]| {
            if order == Order::Big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        };
        let long = |raw: [u8; 4]| {
            if order == Order::Big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) }
        };
        let (group, element) = (short([bytes[0], bytes[1]]), short([bytes[2], bytes[3]]));
        // Implicit elements, also those inside an explicit file, have a length where the representation stands.
        let explicit = group != 0xfffe && bytes[4..6].iter().all(u8::is_ascii_uppercase);
        let is_sequence = explicit && &bytes[4..6] == b"SQ";
        if explicit && LONG.iter().any(|representation| &bytes[4..6] == *representation) {
            if file.read_exact(&mut bytes[8..12]).is_err() {
                return Ok(None);
            }
            let length = long([bytes[8], bytes[9], bytes[10], bytes[11]]);
            return Ok(Some(Self { group, element, length, is_sequence, head: 12 }));
        }
        let length = if explicit {
            u32::from(short([bytes[6], bytes[7]]))
        } else {
            long([bytes[4], bytes[5], bytes[6], bytes[7]])
        };
        Ok(Some(Self { group, element, length, is_sequence, head: 8 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn walk(bytes: &[u8]) -> Option<(u16, u16, u32)> {
        first_overlong(Cursor::new(bytes), 0, false).unwrap()
    }

    #[test]
    fn lengths_beyond_the_end_are_found() {
        assert_eq!(walk(b"\x08\0\x05\0CS\x02\0AB\x10\0\x10\0PN\x04\0A^B "), None);
        assert_eq!(walk(b"\x08\0\x05\0CS\x02\0AB\x10\0\x10\0PN\x05\0A^B "), Some((0x10, 0x10, 5)));
        assert_eq!(walk(b"\x08\0\x05\0\x00\x00\x00\x70AB"), Some((8, 5, 0x7000_0000)));
        // Inside a sequence with an item of undefined length.
        let nested =
            b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff\x08\0\x05\0CS\xf0\x0fAB";
        assert_eq!(walk(nested), Some((8, 5, 0x0ff0)));
        // Fragments are not walked into.
        let pixels = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\x04\0\0\0\xff\xff\xff\xff\xfe\xff\xdd\xe0\0\0\0\0";
        assert_eq!(walk(pixels), None);
    }
}
