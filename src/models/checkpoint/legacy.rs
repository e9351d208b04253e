//! `torch.save` before PyTorch 1.6: pickles one after another, then the raw storages.
//!
//! The file is five pickles (a magic number, the protocol, facts about the machine, the object, the keys of the
//! storages in order) and then for each key the count of numbers, eight bytes, and the numbers.

use super::fault::{Outcome, fault};
use super::input::Input;
use super::pickle::unpickle;
use super::storage::Piece;
use super::tree::{Id, Node, Tree};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// How every such file begins: the pickled magic number 0x1950a86a20f9469cfc6c.
pub(super) const MAGIC: [u8; 14] =
    [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The only version of the format.
const PROTOCOL: i64 = 1001;
/// Longest run of pickles that is read, bytes.
const MAX_PICKLE: u64 = 64 << 20;

/// Reads the values; the storages stay in the file.
pub(super) fn read(mut file: &File) -> Outcome<Tree> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let mut input = Input::new(BufReader::new(file), 0, length.min(MAX_PICKLE));
    let mut tree = Tree::default();
    unpickle(&mut input, &mut tree)?;
    let protocol = unpickle(&mut input, &mut tree)?;
    if *tree.node(protocol) != Node::Integer(PROTOCOL) {
        return fault("is an old PyTorch file of an unknown version");
    }
    let machine = unpickle(&mut input, &mut tree)?;
    if tree.get(machine, "little_endian").is_some_and(|id| *tree.node(id) == Node::Bool(false)) {
        return fault("was written on a big-endian machine");
    }
    tree.root = Some(unpickle(&mut input, &mut tree)?);
    let keys = unpickle(&mut input, &mut tree)?;
    let found = scan(file, input.position(), length, &tree, keys)?;
    for storage in tree.storages.iter_mut().filter(|s| s.pieces.is_empty()) {
        let Some((count, piece)) = found.get(&storage.key) else {
            return fault(format!("lacks the storage {}", storage.key));
        };
        if storage.first.checked_add(storage.count).is_none_or(|end| end > *count) {
            return fault(format!("storage {} has only {count} numbers", storage.key));
        }
        storage.pieces = vec![piece.clone()];
    }
    Ok(tree)
}

/// The count of numbers and the place of every storage.
fn scan(
    mut file: &File,
    mut position: u64,
    length: u64,
    tree: &Tree,
    keys: Id,
) -> Outcome<HashMap<String, (u64, Piece)>> {
    let sizes: HashMap<&str, usize> =
        tree.storages.iter().map(|s| (s.key.as_str(), s.element.size())).collect();
    let mut found = HashMap::new();
    let Some(keys) = tree.list(keys) else {
        return fault("is a damaged old PyTorch file: the keys of its storages are not a list");
    };
    for &key in keys {
        let Some((key, &size)) = tree.text(key).and_then(|key| Some((key, sizes.get(key)?))) else {
            return fault("is a damaged old PyTorch file: it has a storage that nothing uses");
        };
        file.seek(SeekFrom::Start(position))?;
        let mut count = [0; 8];
        file.read_exact(&mut count)?;
        let count = u64::from_le_bytes(count);
        let start = position + 8;
        let end = count.checked_mul(size as u64).and_then(|bytes| start.checked_add(bytes));
        let Some(end) = end.filter(|&end| end <= length) else {
            return fault(format!("is cut short: storage {key} should have {count} numbers"));
        };
        found.insert(key.to_owned(), (count, Piece::Plain { start, bytes: end - start, crc: None }));
        position = end;
    }
    Ok(found)
}
