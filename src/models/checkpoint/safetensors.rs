//! The safetensors format: a length, a table in JSON, the numbers.

use super::element::Element;
use super::fault::{Fault, Outcome, fault};
use super::input::Input;
use super::storage::{Piece, Storage, StoredTensor};
use super::tree::{Node, Tree};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::fs::File;
use std::io::{Seek, SeekFrom};

/// Longest table that is read, bytes.
const MAX_TABLE: u64 = 16 << 20;

/// Reads the table; the numbers stay in the file.
pub(super) fn read(mut file: &File) -> Outcome<Tree> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let mut input = Input::new(file, 0, length);
    let table = u64::from_le_bytes(input.array()?);
    if table > MAX_TABLE {
        return fault(format!("announces a table of {table} bytes, more than {MAX_TABLE}"));
    }
    let table = input.bytes(table)?;
    let table: Metadata =
        serde_json::from_slice(&table).map_err(|e| Fault(format!("is not a safetensors file ({e})")))?;
    let start = input.position();
    if table.data_len() as u64 != length - start {
        return fault(format!(
            "is cut short or damaged: {} bytes of numbers are announced, {} are there",
            table.data_len(),
            length - start
        ));
    }
    let mut tree = Tree::default();
    let mut pairs = Vec::new();
    let mut names = table.tensors().into_iter().collect::<Vec<_>>();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, info) in names {
        let tensor = tensor(&mut tree, &name, info, start)?;
        let value = tree.push(Node::Tensor(Box::new(tensor)))?;
        pairs.push((tree.push(Node::Text(name.into()))?, value));
    }
    tree.root = Some(tree.push(Node::Dict(pairs))?);
    Ok(tree)
}

fn tensor(tree: &mut Tree, name: &str, info: &TensorInfo, start: u64) -> Outcome<StoredTensor> {
    let Some(element) = element(info.dtype) else {
        return fault(format!("tensor {name} is {:?}, which is not read", info.dtype));
    };
    let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
    let Some(bytes) = to.checked_sub(from) else {
        return fault(format!("tensor {name} ends before it begins"));
    };
    let pieces = vec![Piece::Plain { start: start + from, bytes, crc: None }];
    let count = bytes / element.size() as u64;
    let storage = Storage { key: name.to_owned(), element, count, first: 0, pieces };
    let tensor = StoredTensor::contiguous(element, info.shape.clone(), 0, tree.storages.len() as u32)?;
    tensor.check(&storage)?;
    tree.storages.push(storage);
    Ok(tensor)
}

fn element(dtype: Dtype) -> Option<Element> {
    Some(match dtype {
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::F32 => Element::F32,
        Dtype::F64 => Element::F64,
        Dtype::BOOL => Element::Bool,
        Dtype::I8 => Element::I8,
        Dtype::I16 => Element::I16,
        Dtype::I32 => Element::I32,
        Dtype::I64 => Element::I64,
        Dtype::U8 => Element::U8,
        Dtype::U16 => Element::U16,
        Dtype::U32 => Element::U32,
        Dtype::U64 => Element::U64,
        _ => return None,
    })
}
