//! `torch.save` since PyTorch 1.6: a zip archive with a pickle and one entry for each storage.

use super::fault::{Fault, Outcome, fault};
use super::input::Input;
use super::pickle::unpickle;
use super::storage::{Piece, Storage};
use super::tree::Tree;
use flate2::read::DeflateDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;
use zip::CompressionMethod;
use zip::read::ZipArchive;
use zip::result::ZipError;

/// Most bytes that the archive's directory may have; the archive reader keeps a few times as much.
const MAX_DIRECTORY: u64 = 8 << 20;
/// Most bytes that the local headers of the entries may have in all.
const MAX_HEADERS: u64 = 8 << 20;
/// Longest pickle that is read, bytes.
const MAX_PICKLE: u64 = 64 << 20;

/// Reads the values; the storages stay in the file.
pub(super) fn read(file: &File) -> Outcome<Tree> {
    let allowance = Rc::new(Cell::new(MAX_DIRECTORY));
    let metered = Metered { inner: BufReader::with_capacity(1 << 10, file), left: allowance.clone() };
    let mut archive = ZipArchive::new(metered)?;
    allowance.set(MAX_HEADERS);
    let (pickle, prefix) = find_pickle(&archive)?;
    check_byte_order(&mut archive, &prefix, file)?;
    let mut tree = Tree::default();
    let piece = piece(&mut archive, pickle, file)?;
    let root = unpickle(&mut open(&piece, file)?, &mut tree)?;
    tree.root = Some(root);
    for storage in tree.storages.iter_mut().filter(|s| s.pieces.is_empty()) {
        locate(&mut archive, &prefix, storage, file)?;
    }
    Ok(tree)
}

type Archive<'a> = ZipArchive<Metered<BufReader<&'a File>>>;

impl From<ZipError> for Fault {
    fn from(error: ZipError) -> Self {
        Self(format!("is a damaged or truncated zip archive ({error})"))
    }
}

/// The number of the entry `PREFIX/data.pkl`, and the prefix with its slash.
fn find_pickle(archive: &Archive<'_>) -> Outcome<(usize, String)> {
    for (number, name) in archive.file_names().enumerate() {
        let name = name?;
        if let Some(prefix) = name.strip_suffix("data.pkl")
            && (prefix.is_empty() || prefix.find('/') == Some(prefix.len() - 1))
        {
            return Ok((number, prefix.to_owned()));
        }
    }
    fault("is a zip archive without data.pkl, so not one of PyTorch's")
}

fn check_byte_order(archive: &mut Archive<'_>, prefix: &str, file: &File) -> Outcome<()> {
    let Some(number) = archive.index_for_name(&format!("{prefix}byteorder")) else { return Ok(()) };
    let piece = piece(archive, number, file)?;
    let mut input = open(&piece, file)?;
    match input.bytes(input.left().min(16))?.as_slice() {
        b"little" => Ok(()),
        _ => fault("was written on a big-endian machine"),
    }
}

/// Where the content of an entry lies.
fn piece(archive: &mut Archive<'_>, number: usize, file: &File) -> Outcome<Piece> {
    let entry = archive.by_index_raw(number)?;
    if entry.encrypted() {
        return fault("is an encrypted zip archive");
    }
    let (Some(start), packed, bytes) = (entry.data_start(), entry.compressed_size(), entry.size()) else {
        return fault("is a damaged zip archive");
    };
    if start.checked_add(packed).is_none_or(|end| end > file.metadata().map_or(0, |m| m.len())) {
        return fault("is cut short: an entry of the archive lies outside of the file");
    }
    match entry.compression() {
        CompressionMethod::Stored if packed == bytes => {
            Ok(Piece::Plain { start, bytes, crc: Some(entry.crc32()) })
        }
        CompressionMethod::Stored => fault("is a damaged zip archive: an entry has two sizes"),
        CompressionMethod::DEFLATE => Ok(Piece::Deflated { start, packed, bytes }),
        other => fault(format!("is a zip archive compressed by {other}, which PyTorch does not write")),
    }
}

/// The content of an entry, as a stream.
fn open<'a>(piece: &Piece, mut file: &'a File) -> Outcome<Input<Box<dyn Read + 'a>>> {
    let (reader, bytes): (Box<dyn Read + 'a>, u64) = match *piece {
        Piece::Plain { start, bytes, .. } => {
            file.seek(SeekFrom::Start(start))?;
            (Box::new(BufReader::new(file.take(bytes))), bytes)
        }
        Piece::Deflated { start, packed, bytes } => {
            file.seek(SeekFrom::Start(start))?;
            (Box::new(BufReader::new(DeflateDecoder::new(file.take(packed)))), bytes)
        }
        Piece::Held(_) => return fault("is a damaged zip archive"),
    };
    if bytes > MAX_PICKLE {
        return fault(format!("holds a pickle of {bytes} bytes, more than {MAX_PICKLE}"));
    }
    Ok(Input::new(reader, 0, bytes))
}

fn locate(archive: &mut Archive<'_>, prefix: &str, storage: &mut Storage, file: &File) -> Outcome<()> {
    let name = format!("{prefix}data/{}", storage.key);
    let Some(number) = archive.index_for_name(&name) else {
        return fault(format!("lacks the storage {name}"));
    };
    let piece = piece(archive, number, file)?;
    let (Piece::Plain { bytes, .. } | Piece::Deflated { bytes, .. }) = piece else {
        return fault("is a damaged zip archive");
    };
    let end = storage.first.checked_add(storage.count);
    let needed = end.and_then(|end| end.checked_mul(storage.element.size() as u64));
    if needed.is_none_or(|needed| needed > bytes) {
        return fault(format!("storage {name} has {bytes} bytes, too few for its {} numbers", storage.count));
    }
    storage.pieces = vec![piece];
    Ok(())
}

/// A stream that ends when an allowance is used up: what an archive's directory can make its reader allocate is
/// bounded by what that reader can read.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("its directory is too large"));
        }
        let count = self.inner.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - count as u64);
        Ok(count)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
