//! Scalars and arrays of numpy, which training state is full of.

use super::call::sizes;
use crate::models::checkpoint::element::Element;
use crate::models::checkpoint::fault::{Outcome, fault};
use crate::models::checkpoint::storage::{Piece, Storage, StoredTensor};
use crate::models::checkpoint::tree::{Id, Node, Tree};
use std::sync::Arc;

/// `numpy.dtype(code, …)`.
pub(super) fn dtype(tree: &Tree, arguments: &[Id]) -> Node {
    Node::Dtype(arguments.first().and_then(|&id| tree.text(id)).and_then(Element::of_code))
}

/// The state of a dtype: `(version, byte order, …)`.
pub(super) fn order(tree: &Tree, state: Id) -> Outcome<()> {
    match tree.list(state).and_then(|items| tree.text(*items.get(1)?)) {
        Some(">") => fault("holds big-endian numpy numbers"),
        _ => Ok(()),
    }
}

/// `numpy.core.multiarray.scalar(dtype, bytes)`.
pub(super) fn scalar(tree: &Tree, arguments: &[Id]) -> Outcome<Node> {
    let [dtype, content] = arguments else {
        return fault("holds a numpy scalar in an unknown form");
    };
    match (tree.node(*dtype), bytes(tree, *content)) {
        (Node::Dtype(Some(element)), Some(bytes)) if bytes.len() == element.size() => {
            // A complex scalar is of no use here, and does no harm.
            Ok(element.read(&bytes).map_or(Node::None, Node::Number))
        }
        _ => fault("holds a numpy scalar in an unknown form"),
    }
}

/// `_codecs.encode(text, "latin1")`, by which old pickles write bytes.
pub(super) fn encode(tree: &Tree, arguments: &[Id]) -> Outcome<Node> {
    let Some(text) = arguments.first().and_then(|&id| tree.text(id)) else {
        return fault("holds bytes in an unknown form");
    };
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    match bytes {
        Some(bytes) => Ok(Node::Bytes(bytes.into())),
        None => fault("holds bytes in an unknown form"),
    }
}

/// The state of an array: `(version, shape, dtype, columns first, bytes)`.
pub(super) fn array(tree: &mut Tree, state: Id) -> Outcome<Node> {
    let parts = tree.list(state).unwrap_or_default().to_vec();
    let [_, shape, dtype, columns_first, content] = &parts[..] else {
        return fault("holds a numpy array in an unknown form");
    };
    let (&Node::Dtype(Some(element)), Some(content)) = (tree.node(*dtype), bytes(tree, *content)) else {
        return fault("holds a numpy array of something other than numbers");
    };
    tree.charge(content.len())?;
    let columns_first = *tree.node(*columns_first) == Node::Bool(true);
    let mut shape = sizes(tree, *shape)?;
    if columns_first {
        shape.reverse();
    }
    let number = tree.storages.len() as u32;
    let count = content.len() as u64 / element.size() as u64;
    let pieces = vec![Piece::Held(content)];
    let storage = Storage { key: "numpy".to_owned(), element, count, first: 0, pieces };
    let mut tensor = StoredTensor::contiguous(element, shape, 0, number)?;
    if columns_first {
        tensor = tensor.permuted(&(0..tensor.shape().len()).rev().collect::<Vec<_>>());
    }
    tensor.check(&storage)?;
    tree.storages.push(storage);
    Ok(Node::Tensor(Box::new(tensor)))
}

fn bytes(tree: &Tree, id: Id) -> Option<Arc<[u8]>> {
    match tree.node(id) {
        Node::Bytes(bytes) => Some(bytes.clone()),
        Node::Text(text) => Some(text.as_bytes().into()),
        _ => None,
    }
}
