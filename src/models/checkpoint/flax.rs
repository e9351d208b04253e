//! Flax's serialisation: MessagePack with arrays as extensions.
//!
//! Extension 1 is an array and 3 a scalar, each itself a MessagePack triple of shape, name of the number format and
//! bytes; extension 2 is a complex number. Arrays above a gigabyte are cut into chunks.

use super::element::Element;
use super::fault::{Outcome, fault};
use super::input::Input;
use super::storage::{MAX_RANK, Piece, Storage, StoredTensor};
use super::tree::{Id, Node, Tree};
use rmp::Marker;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 24;
/// The key that marks a dictionary as an array in chunks.
const CHUNKED: &str = "__msgpack_chunked_array__";

/// Reads the values; the arrays stay in the file.
pub(super) fn read(mut file: &File) -> Outcome<Tree> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let input = Input::new(BufReader::new(file), 0, length);
    let mut parser = Parser { input, tree: Tree::default() };
    let root = parser.value(0)?;
    if parser.input.left() > 0 {
        return fault("continues after its end: it is not a Flax checkpoint");
    }
    parser.tree.root = Some(root);
    Ok(parser.tree)
}

struct Parser<'a> {
    input: Input<BufReader<&'a File>>,
    tree: Tree,
}

impl Parser<'_> {
    fn marker(&mut self) -> Outcome<Marker> {
        self.input.byte().map(Marker::from_u8)
    }

    /// The next value.
    fn value(&mut self, depth: usize) -> Outcome<Id> {
        if depth > MAX_DEPTH {
            return fault("is nested too deeply");
        }
        let marker = self.marker()?;
        if let Some(count) = self.map_length(marker)? {
            return self.map(count, depth);
        }
        if let Some(count) = self.list_length(marker)? {
            return self.list(count, depth);
        }
        if let Some(length) = self.extension_length(marker)? {
            return self.extension(length);
        }
        let node = self.scalar(marker)?;
        self.tree.push(node)
    }

    /// A big-endian count of `size` bytes.
    fn count(&mut self, size: usize) -> Outcome<u64> {
        let mut count = 0;
        for _ in 0..size {
            count = count << 8 | u64::from(self.input.byte()?);
        }
        Ok(count)
    }

    fn map_length(&mut self, marker: Marker) -> Outcome<Option<u64>> {
        Ok(Some(match marker {
            Marker::FixMap(count) => count.into(),
            Marker::Map16 => self.count(2)?,
            Marker::Map32 => self.count(4)?,
            _ => return Ok(None),
        }))
    }

    fn list_length(&mut self, marker: Marker) -> Outcome<Option<u64>> {
        Ok(Some(match marker {
            Marker::FixArray(count) => count.into(),
            Marker::Array16 => self.count(2)?,
            Marker::Array32 => self.count(4)?,
            _ => return Ok(None),
        }))
    }

    fn extension_length(&mut self, marker: Marker) -> Outcome<Option<u64>> {
        Ok(Some(match marker {
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            Marker::Ext8 => self.count(1)?,
            Marker::Ext16 => self.count(2)?,
            Marker::Ext32 => self.count(4)?,
            _ => return Ok(None),
        }))
    }

    fn text_length(&mut self, marker: Marker) -> Outcome<Option<u64>> {
        Ok(Some(match marker {
            Marker::FixStr(count) => count.into(),
            Marker::Str8 => self.count(1)?,
            Marker::Str16 => self.count(2)?,
            Marker::Str32 => self.count(4)?,
            _ => return Ok(None),
        }))
    }

    fn bytes_length(&mut self, marker: Marker) -> Outcome<Option<u64>> {
        Ok(Some(match marker {
            Marker::Bin8 => self.count(1)?,
            Marker::Bin16 => self.count(2)?,
            Marker::Bin32 => self.count(4)?,
            _ => return Ok(None),
        }))
    }

    fn scalar(&mut self, marker: Marker) -> Outcome<Node> {
        if let Some(length) = self.text_length(marker)? {
            return Ok(Node::Text(self.input.text(length)?.into()));
        }
        if let Some(length) = self.bytes_length(marker)? {
            return Ok(Node::Bytes(self.input.bytes(length)?.into()));
        }
        match marker {
            Marker::Null => Ok(Node::None),
            Marker::True => Ok(Node::Bool(true)),
            Marker::False => Ok(Node::Bool(false)),
            Marker::F32 => Ok(Node::Number(f32::from_be_bytes(self.input.array()?).into())),
            Marker::F64 => Ok(Node::Number(f64::from_be_bytes(self.input.array()?))),
            _ => self.integer(marker).map(Node::Integer),
        }
    }

    fn integer(&mut self, marker: Marker) -> Outcome<i64> {
        Ok(match marker {
            Marker::FixPos(n) => n.into(),
            Marker::FixNeg(n) => n.into(),
            Marker::U8 => self.count(1)? as i64,
            Marker::U16 => self.count(2)? as i64,
            Marker::U32 => self.count(4)? as i64,
            Marker::U64 | Marker::I64 => self.count(8)? as i64,
            Marker::I8 => (self.count(1)? as i8).into(),
            Marker::I16 => (self.count(2)? as i16).into(),
            Marker::I32 => (self.count(4)? as i32).into(),
            other => {
                return fault(format!("is not a Flax checkpoint: a {other:?} stands where a value belongs"));
            }
        })
    }

    fn list(&mut self, count: u64, depth: usize) -> Outcome<Id> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.value(depth + 1)?);
        }
        self.tree.push(Node::List(items))
    }

    fn map(&mut self, count: u64, depth: usize) -> Outcome<Id> {
        let mut pairs = Vec::new();
        for _ in 0..count {
            let key = self.value(depth + 1)?;
            pairs.push((key, self.value(depth + 1)?));
        }
        let map = self.tree.push(Node::Dict(pairs))?;
        if self.tree.get(map, CHUNKED).is_some() {
            *self.tree.node_mut(map) = joined(&mut self.tree, map)?;
        }
        Ok(map)
    }

    fn extension(&mut self, length: u64) -> Outcome<Id> {
        let kind = self.input.byte()?;
        let start = self.input.position();
        if length > self.input.left() {
            return fault(format!("is cut short: an array of {length} bytes is announced"));
        }
        let node = match kind {
            1 | 3 => Node::Tensor(Box::new(self.array()?)),
            2 => {
                self.skip(length)?;
                Node::None
            }
            other => return fault(format!("holds the extension {other}, which Flax does not write")),
        };
        if self.input.position() - start != length {
            return fault("is damaged: an array is not as long as announced");
        }
        self.tree.push(node)
    }

    /// Shape, number format, bytes; the bytes are passed over.
    fn array(&mut self) -> Outcome<StoredTensor> {
        let marker = self.marker()?;
        if self.list_length(marker)? != Some(3) {
            return fault("is damaged: an array is not shape, format and bytes");
        }
        let shape = self.shape()?;
        let element = self.element()?;
        let marker = self.marker()?;
        let length = match (self.bytes_length(marker)?, self.text_length(marker)?) {
            (Some(length), _) | (None, Some(length)) => length,
            _ => return fault("is damaged: an array has no bytes"),
        };
        let start = self.input.position();
        self.skip(length)?;
        let pieces = vec![Piece::Plain { start, bytes: length, crc: None }];
        let (key, count) = (format!("at byte {start}"), length / element.size() as u64);
        let storage = Storage { key, element, count, first: 0, pieces };
        stored(&mut self.tree, shape, storage)
    }

    fn shape(&mut self) -> Outcome<Vec<usize>> {
        let marker = self.marker()?;
        match self.list_length(marker)? {
            Some(rank) if rank <= MAX_RANK as u64 => (0..rank).map(|_| self.size()).collect(),
            _ => fault("is damaged: an array has no possible shape"),
        }
    }

    fn size(&mut self) -> Outcome<usize> {
        let marker = self.marker()?;
        usize::try_from(self.integer(marker)?).or_else(|_| fault("holds an array of impossible shape"))
    }

    fn element(&mut self) -> Outcome<Element> {
        let marker = self.marker()?;
        let length = match self.text_length(marker)? {
            Some(length) if length <= 32 => length,
            _ => return fault("is damaged: an array has no number format"),
        };
        let name = self.input.text(length)?;
        Element::of_name(&name)
            .map_or_else(|| fault(format!("holds an array of {name}, which is not read")), Ok)
    }

    fn skip(&mut self, length: u64) -> Outcome<()> {
        match i64::try_from(length) {
            Ok(offset) if length <= self.input.left() => {
                self.input.reader().seek_relative(offset)?;
                self.input.moved(length);
                Ok(())
            }
            _ => fault(format!("is cut short: {length} bytes are announced")),
        }
    }
}

/// The tensor of this shape that fills `storage`.
fn stored(tree: &mut Tree, shape: Vec<usize>, storage: Storage) -> Outcome<StoredTensor> {
    let tensor = StoredTensor::contiguous(storage.element, shape, 0, tree.storages.len() as u32)?;
    tensor.check(&storage)?;
    if tensor.count() != usize::try_from(storage.count).ok() {
        return fault(format!("holds an array of shape {:?} with {} numbers", tensor.shape(), storage.count));
    }
    tree.storages.push(storage);
    Ok(tensor)
}

/// The array whose chunks a dictionary holds.
fn joined(tree: &mut Tree, map: Id) -> Outcome<Node> {
    let (Some(shape), Some(chunks)) = (tree.get(map, "shape"), tree.get(map, "chunks")) else {
        return fault("holds an array in chunks without its shape");
    };
    let shape = numbered(tree, shape);
    let size = |&id: &Id| tree.count(id).and_then(|n| usize::try_from(n).ok());
    let Some(shape) = shape.iter().map(size).collect::<Option<Vec<_>>>() else {
        return fault("holds an array in chunks of impossible shape");
    };
    let chunks: Option<Vec<&StoredTensor>> =
        numbered(tree, chunks).iter().map(|&id| tree.tensor(id)).collect();
    let Some(chunks @ [first, ..]) = chunks.as_deref() else {
        return fault("holds an array in chunks that are not arrays");
    };
    let element = first.element;
    let mut joined = Storage { key: "in chunks".to_owned(), element, count: 0, first: 0, pieces: vec![] };
    for chunk in chunks {
        let storage = &tree.storages[chunk.storage as usize];
        if storage.element != element {
            return fault("holds an array in chunks of different kinds");
        }
        joined.count = joined.count.saturating_add(storage.count);
        joined.pieces.extend_from_slice(&storage.pieces);
    }
    Ok(Node::Tensor(Box::new(stored(tree, shape, joined)?)))
}

/// Most chunks of an array, of a gigabyte each.
const MAX_CHUNKS: usize = 1 << 10;

/// The values of a dictionary with the keys "0", "1", …, or of a list.
fn numbered(tree: &Tree, id: Id) -> Vec<Id> {
    (0..MAX_CHUNKS).map_while(|i| tree.get(id, &i.to_string())).collect()
}
