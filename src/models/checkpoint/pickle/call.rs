//! What the listed functions and classes make of their arguments.

use super::global::Global;
use super::machine::Machine;
use crate::models::checkpoint::element::Element;
use crate::models::checkpoint::fault::{Outcome, fault};
use crate::models::checkpoint::storage::{MAX_RANK, Storage, StoredTensor};
use crate::models::checkpoint::tree::{Id, Node, Tree};

/// Most arguments that a call may have.
const MAX_ARGUMENTS: usize = 16;
/// Longest name of a storage, bytes.
const MAX_KEY: usize = 256;

impl<R> Machine<'_, R> {
    /// The value of `function(*arguments)`.
    pub(super) fn call(&mut self, function: Id, arguments: Id) -> Outcome<Id> {
        let &Node::Global(global) = self.tree.node(function) else {
            return fault("is not a valid pickle: it calls something that is not a function");
        };
        let arguments = match self.tree.list(arguments) {
            Some(arguments) if arguments.len() <= MAX_ARGUMENTS => arguments.to_vec(),
            _ => return fault("is not a valid pickle: the arguments are not a tuple"),
        };
        let tree = &mut *self.tree;
        let made = match global {
            Global::Dict => return dictionary(tree, arguments.first()),
            Global::DefaultDict => return dictionary(tree, arguments.get(1)),
            Global::List => return list(tree, arguments.first()),
            Global::Parameter => return parameter(tree, arguments.first()),
            Global::Device => Node::None,
            Global::Tensor => Node::Tensor(Box::new(tensor(tree, &arguments)?)),
            Global::NumpyScalar => super::numpy::scalar(tree, &arguments)?,
            Global::NumpyDtype => super::numpy::dtype(tree, &arguments),
            Global::NumpyReconstruct => Node::Array,
            Global::Encode => super::numpy::encode(tree, &arguments)?,
            Global::Storage(_) | Global::Dtype(_) | Global::NumpyArray => {
                return fault("is not a valid pickle: it calls something that only names a type");
            }
        };
        tree.push(made)
    }

    /// Gives the object `target` its `state` and returns it; what weights do not need is passed over.
    pub(super) fn build(&mut self, target: Id, state: Id) -> Outcome<Id> {
        match self.tree.node(target) {
            Node::Dict(_) | Node::Tensor(_) => {}
            Node::Dtype(_) => super::numpy::order(self.tree, state)?,
            Node::Array => {
                let array = super::numpy::array(self.tree, state)?;
                *self.tree.node_mut(target) = array;
            }
            _ => return fault("is not a valid pickle: it sets the state of something that has none"),
        }
        Ok(target)
    }

    /// The storage that a persistent identifier names: `("storage", type, key, device, count[, view])`.
    pub(super) fn persistent(&mut self, id: Id) -> Outcome<Node> {
        let tree = &mut *self.tree;
        let parts = tree.list(id).unwrap_or_default().to_vec();
        let [kind, class, key, _, count, rest @ ..] = &parts[..] else {
            return fault("names a storage in an unknown way");
        };
        let (Some("storage"), Node::Global(Global::Storage(element)), Some(key), Some(count)) =
            (tree.text(*kind), tree.node(*class), tree.text(*key), tree.count(*count))
        else {
            return fault("names a storage in an unknown way");
        };
        if key.len() > MAX_KEY {
            return fault("names a storage of impossible length");
        }
        let (key, element) = (key.to_owned(), *element);
        let mut storage = Storage { key, element, count, first: 0, pieces: vec![] };
        if let Some(&view) = rest.first() {
            look(tree, view, &mut storage)?;
        }
        let identity = (storage.key.clone(), storage.first, storage.count, element);
        let number = *self.storages.entry(identity).or_insert(tree.storages.len() as u32);
        if number as usize == tree.storages.len() {
            tree.storages.push(storage);
        }
        Ok(Node::Storage(number))
    }
}

/// Narrows a storage to a view `(key, offset, count)` of it, as the old format has them.
fn look(tree: &Tree, view: Id, storage: &mut Storage) -> Outcome<()> {
    match tree.list(view) {
        None if *tree.node(view) == Node::None => Ok(()),
        Some(&[_, offset, count]) => match (tree.count(offset), tree.count(count)) {
            (Some(offset), Some(count)) => {
                (storage.first, storage.count) = (offset, count);
                Ok(())
            }
            _ => fault("names a view of a storage in an unknown way"),
        },
        _ => fault("names a view of a storage in an unknown way"),
    }
}

fn dictionary(tree: &mut Tree, content: Option<&Id>) -> Outcome<Id> {
    let Some(&content) = content else { return tree.push(Node::Dict(vec![])) };
    if matches!(tree.node(content), Node::Dict(_)) {
        return Ok(content);
    }
    tree.charge(tree.list(content).map_or(0, <[Id]>::len) * size_of::<(Id, Id)>())?;
    let pair = |&item: &Id| match tree.list(item) {
        Some(&[key, value]) => Some((key, value)),
        _ => None,
    };
    match tree.list(content).and_then(|items| items.iter().map(pair).collect()) {
        Some(pairs) => tree.push(Node::Dict(pairs)),
        None => fault("is not a valid pickle: a dictionary is not made from pairs"),
    }
}

/// A list of the content of another is as good as that one: nothing here changes either.
fn list(tree: &mut Tree, content: Option<&Id>) -> Outcome<Id> {
    match content {
        Some(&content) if tree.list(content).is_some() => Ok(content),
        Some(_) => fault("is not a valid pickle: a list is made from something that is not a list"),
        None => tree.push(Node::List(vec![])),
    }
}

fn parameter(tree: &Tree, tensor: Option<&Id>) -> Outcome<Id> {
    match tensor {
        Some(&tensor) if tree.tensor(tensor).is_some() => Ok(tensor),
        _ => fault("holds a parameter that is not a tensor"),
    }
}

/// `_rebuild_tensor(storage, offset, shape, strides, …)`.
fn tensor(tree: &Tree, arguments: &[Id]) -> Outcome<StoredTensor> {
    let [storage, offset, shape, strides, ..] = arguments else {
        return fault("holds a tensor without a shape");
    };
    let (&Node::Storage(number), Some(offset)) = (tree.node(*storage), tree.count(*offset)) else {
        return fault("holds a tensor without a storage");
    };
    let storage = &tree.storages[number as usize];
    let (shape, strides) = (sizes(tree, *shape)?, sizes(tree, *strides)?);
    let element = third_form(tree, arguments).unwrap_or(storage.element);
    if element != storage.element {
        return fault("holds a tensor whose numbers are not of the kind of its storage");
    }
    let tensor = StoredTensor { element, shape, strides, offset, storage: number };
    tensor.check(storage)?;
    Ok(tensor)
}

/// The number format that the third form of `_rebuild_tensor` names.
fn third_form(tree: &Tree, arguments: &[Id]) -> Option<Element> {
    match tree.node(*arguments.get(6)?) {
        Node::Global(Global::Dtype(element)) => Some(*element),
        _ => None,
    }
}

/// A tuple of numbers of at least zero.
pub(super) fn sizes(tree: &Tree, id: Id) -> Outcome<Vec<usize>> {
    let items = tree.list(id).unwrap_or_default();
    if items.len() > MAX_RANK {
        return fault(format!("holds a tensor with {} axes", items.len()));
    }
    let size = |&item: &Id| tree.count(item).and_then(|n| usize::try_from(n).ok());
    match items.iter().map(size).collect() {
        Some(sizes) => Ok(sizes),
        None => fault("holds a tensor of impossible shape"),
    }
}
