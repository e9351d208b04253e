//! The nested values of a checkpoint, kept flat: values name each other by number, so that neither depth nor
//! sharing nor a cycle can exhaust the stack or memory.

use super::element::Element;
use super::fault::{Outcome, fault};
use super::pickle::Global;
use super::storage::{Storage, StoredTensor};
use std::sync::Arc;

/// Most values that a checkpoint may hold.
const MAX_NODES: usize = 1 << 20;
/// Most bytes of text and bytes outside of tensors that a checkpoint may hold.
const MAX_CONTENT: usize = 32 << 20;
/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 24;
/// Most values that one walk may visit; shared values count again.
const MAX_VISITS: usize = 1 << 20;

/// The number of a value in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(u32);

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    None,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    /// A list, a tuple or a set.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Tensor(Box<StoredTensor>),
    /// A function or class of a pickle.
    Global(Global),
    /// A storage of a pickle, by its number in [`Tree::storages`].
    Storage(u32),
    /// A number format; none for one that holds no numbers.
    Dtype(Option<Element>),
    /// A numpy array whose content is still to come.
    Array,
}

/// All values of a checkpoint.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    content: usize,
    pub(super) storages: Vec<Storage>,
    pub(super) root: Option<Id>,
}

impl Tree {
    /// Takes a value in.
    pub(super) fn push(&mut self, node: Node) -> Outcome<Id> {
        self.charge(match &node {
            Node::Text(text) => text.len(),
            Node::Bytes(bytes) => bytes.len(),
            _ => 0,
        })?;
        if self.nodes.len() >= MAX_NODES {
            return fault(format!("holds more than {MAX_NODES} values"));
        }
        self.nodes.push(node);
        Ok(Id(self.nodes.len() as u32 - 1))
    }

    /// Counts `bytes` of content that is kept outside of the tensors.
    pub(super) fn charge(&mut self, bytes: usize) -> Outcome<()> {
        self.content = self.content.saturating_add(bytes);
        if self.content > MAX_CONTENT {
            return fault(format!("holds more than {MAX_CONTENT} bytes beside its tensors"));
        }
        Ok(())
    }

    /// The value of a number that [`Self::push`] gave.
    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The same, to be changed.
    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// The text of a value that is one.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a value that is a list or tuple.
    pub(super) fn list(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// A value that is a whole number of at least zero.
    pub(super) fn count(&self, id: Id) -> Option<u64> {
        match self.node(id) {
            Node::Integer(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The tensor of a value that is one.
    pub(super) fn tensor(&self, id: Id) -> Option<&StoredTensor> {
        match self.node(id) {
            Node::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// What a dictionary holds under `key`, or a list at the position `key`; the last entry wins.
    pub(super) fn get(&self, id: Id, key: &str) -> Option<Id> {
        match self.node(id) {
            Node::Dict(pairs) => {
                pairs.iter().rev().find(|(k, _)| self.text(*k) == Some(key)).map(|&(_, value)| value)
            }
            Node::List(items) => items.get(key.parse::<usize>().ok()?).copied(),
            _ => None,
        }
    }

    /// What lies at the end of a path of keys.
    pub(super) fn at(&self, path: &[&str]) -> Option<Id> {
        path.iter().try_fold(self.root?, |id, key| self.get(id, key))
    }

    /// Whether a value is a dictionary of nothing but tensors.
    pub(super) fn is_state(&self, id: Id) -> bool {
        match self.node(id) {
            Node::Dict(pairs) => {
                !pairs.is_empty() && pairs.iter().all(|&(_, value)| self.tensor(value).is_some())
            }
            _ => false,
        }
    }

    /// Every tensor below `id` with its path, the keys joined by dots.
    pub(super) fn tensors_below(&self, id: Id) -> Outcome<Vec<(String, &StoredTensor)>> {
        let mut walk = Walk { tree: self, found: Vec::new(), visits: 0 };
        walk.visit(id, "", 0)?;
        Ok(walk.found)
    }

    fn key(&self, id: Id) -> Option<String> {
        match self.node(id) {
            Node::Text(text) => Some(text.to_string()),
            Node::Integer(n) => Some(n.to_string()),
            _ => None,
        }
    }
}

/// A walk over the values below one.
struct Walk<'a> {
    tree: &'a Tree,
    found: Vec<(String, &'a StoredTensor)>,
    visits: usize,
}

impl Walk<'_> {
    fn visit(&mut self, id: Id, path: &str, depth: usize) -> Outcome<()> {
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            return fault("is nested too deeply");
        }
        let tree = self.tree;
        match tree.node(id) {
            Node::Tensor(_) if self.found.len() == MAX_TENSORS => {
                return fault(format!("holds more than {MAX_TENSORS} tensors in one place"));
            }
            Node::Tensor(tensor) => self.found.push((path.to_owned(), tensor)),
            Node::Dict(pairs) => {
                for &(key, value) in pairs {
                    if let Some(key) = tree.key(key) {
                        self.visit(value, &join(path, &key)?, depth + 1)?;
                    }
                }
            }
            Node::List(items) => {
                for (i, &item) in items.iter().enumerate() {
                    self.visit(item, &join(path, &i.to_string())?, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Longest path of keys, bytes; names of parameters are far below.
const MAX_PATH: usize = 256;
/// Most tensors that one walk may find; the largest networks here have some thousand.
const MAX_TENSORS: usize = 1 << 16;

fn join(path: &str, key: &str) -> Outcome<String> {
    if path.len() + key.len() > MAX_PATH {
        return fault("holds a name of impossible length");
    }
    Ok(if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_within_itself_ends() {
        let mut tree = Tree::default();
        let id = tree.push(Node::List(vec![])).unwrap();
        *tree.node_mut(id) = Node::List(vec![id, id]);
        assert_eq!(tree.tensors_below(id).unwrap_err().0, "is nested too deeply");
    }

    #[test]
    fn paths_lead_through_dictionaries_and_lists() {
        let mut tree = Tree::default();
        let one = tree.push(Node::Integer(1)).unwrap();
        let list = tree.push(Node::List(vec![one])).unwrap();
        let key = tree.push(Node::Text("k".into())).unwrap();
        tree.root = Some(tree.push(Node::Dict(vec![(key, list)])).unwrap());
        assert_eq!(tree.at(&["k", "0"]), Some(one));
        assert_eq!(tree.at(&["k", "1"]), None);
        assert_eq!(tree.count(one), Some(1));
    }

    #[test]
    fn content_is_limited() {
        let mut tree = Tree::default();
        let text: Arc<[u8]> = vec![0; MAX_CONTENT / 2].into();
        tree.push(Node::Bytes(text.clone())).unwrap();
        tree.push(Node::Bytes(text.clone())).unwrap();
        assert!(tree.push(Node::Bytes(text)).is_err());
    }
}
