//! The stack machine.

use super::global::Global;
use crate::models::checkpoint::element::Element;
use crate::models::checkpoint::fault::{Outcome, fault};
use crate::models::checkpoint::input::Input;
use crate::models::checkpoint::tree::{Id, Node, Tree};
use std::collections::HashMap;
use std::io::Read;

/// Most steps that a program may take; a step makes at most one value.
const MAX_STEPS: usize = 1 << 21;
/// Longest name of a module, function or class.
const MAX_NAME: usize = 256;

/// Runs one pickle from `input` and returns its value; `tree` takes in what it makes.
pub(in crate::models::checkpoint) fn unpickle<R: Read>(input: &mut Input<R>, tree: &mut Tree) -> Outcome<Id> {
    let mut machine = Machine {
        input,
        tree,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        storages: HashMap::new(),
    };
    for _ in 0..MAX_STEPS {
        let code = machine.input.byte()?;
        if code == b'.' {
            return machine.pop();
        }
        machine.step(code)?;
    }
    fault(format!("is a pickle of more than {MAX_STEPS} steps"))
}

/// The state of the machine.
pub(super) struct Machine<'a, R> {
    input: &'a mut Input<R>,
    pub(super) tree: &'a mut Tree,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// The numbers of the storages met, by key, first number, count and kind.
    pub(super) storages: HashMap<(String, u64, u64, Element), u32>,
}

impl<R: Read> Machine<'_, R> {
    fn step(&mut self, code: u8) -> Outcome<()> {
        let node = match self.scalar(code)? {
            Some(node) => Some(node),
            None => self.container(code)?,
        };
        match node {
            Some(node) => self.push(node),
            None => self.act(code),
        }
    }

    /// The value that an instruction with a value of its own makes.
    fn scalar(&mut self, code: u8) -> Outcome<Option<Node>> {
        Ok(Some(match code {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'J' => Node::Integer(i32::from_le_bytes(self.input.array()?).into()),
            b'K' => Node::Integer(self.input.byte()?.into()),
            b'M' => Node::Integer(u16::from_le_bytes(self.input.array()?).into()),
            b'G' => Node::Number(f64::from_be_bytes(self.input.array()?)),
            0x8a | 0x8b => self.long(code)?,
            b'X' | 0x8c | 0x8d => {
                let length = self.length(code)?;
                Node::Text(self.input.text(length)?.into())
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = self.length(code)?;
                Node::Bytes(self.input.bytes(length)?.into())
            }
            b'T' | b'U' => {
                let length = self.length(code)?;
                old_text(self.input.bytes(length)?)
            }
            b'c' => {
                let (module, name) = (self.input.line(MAX_NAME)?, self.input.line(MAX_NAME)?);
                Node::Global(Global::named(&module, &name)?)
            }
            _ => return Ok(None),
        }))
    }

    /// The length that an instruction of text or bytes announces.
    fn length(&mut self, code: u8) -> Outcome<u64> {
        Ok(match code {
            0x8c | b'C' | b'U' => self.input.byte()?.into(),
            b'X' | b'B' | b'T' => u32::from_le_bytes(self.input.array()?).into(),
            _ => u64::from_le_bytes(self.input.array()?),
        })
    }

    /// A whole number of any length; one that does not fit is kept as bytes, for nobody counts with it.
    fn long(&mut self, code: u8) -> Outcome<Node> {
        let length = match code {
            0x8a => self.input.byte()?.into(),
            _ => u32::from_le_bytes(self.input.array()?),
        };
        let bytes = self.input.bytes(length.into())?;
        if bytes.len() > 8 {
            return Ok(Node::Bytes(bytes.into()));
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut word = [if negative { 0xff } else { 0 }; 8];
        word[..bytes.len()].copy_from_slice(&bytes);
        Ok(Node::Integer(i64::from_le_bytes(word)))
    }

    /// The list, tuple, set or dictionary that an instruction makes.
    fn container(&mut self, code: u8) -> Outcome<Option<Node>> {
        Ok(Some(match code {
            b']' | b')' | 0x8f => Node::List(vec![]),
            b'}' => Node::Dict(vec![]),
            b'l' | b't' | 0x91 => Node::List(self.pop_to_mark()?),
            0x85..=0x87 => Node::List(self.pop_many(usize::from(code - 0x84))?),
            b'd' => Node::Dict(pairs(&self.pop_to_mark()?)?),
            _ => return Ok(None),
        }))
    }

    /// What an instruction does to the stack, the memory or a value.
    fn act(&mut self, code: u8) -> Outcome<()> {
        match code {
            0x80 => self.input.byte().map(drop),
            0x95 => self.input.array::<8>().map(drop),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => self.top().map(|id| self.stack.push(id)),
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(code),
            b'a' | b'e' | 0x90 | b's' | b'u' => self.extend(code),
            0x93 => self.stack_global(),
            b'R' | 0x81 | b'b' | b'Q' => self.object(code),
            _ => {
                fault(format!("holds the pickle instruction {code:#04x}, which no checkpoint needs; refused"))
            }
        }
    }

    fn remember(&mut self, code: u8) -> Outcome<()> {
        let number = match code {
            b'q' | b'h' => self.input.byte()?.into(),
            0x94 => self.memo.len() as u32,
            _ => u32::from_le_bytes(self.input.array()?),
        };
        if matches!(code, b'h' | b'j') {
            let Some(&id) = self.memo.get(&number) else {
                return fault("is not a valid pickle: it recalls something that it never stored");
            };
            self.stack.push(id);
        } else {
            let id = self.top()?;
            self.memo.insert(number, id);
        }
        Ok(())
    }

    /// Adds to the list, set or dictionary below.
    fn extend(&mut self, code: u8) -> Outcome<()> {
        let items = match code {
            b'a' => self.pop_many(1)?,
            b's' => self.pop_many(2)?,
            _ => self.pop_to_mark()?,
        };
        let target = self.top()?;
        match (code, self.tree.node_mut(target)) {
            (b'a' | b'e' | 0x90, Node::List(list)) => list.extend(items),
            (b's' | b'u', Node::Dict(dict)) => dict.extend(pairs(&items)?),
            _ => {
                return fault(
                    "is not a valid pickle: it adds to something that is neither a list nor a dictionary",
                );
            }
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Outcome<()> {
        let names = self.pop_many(2)?;
        let (Some(module), Some(name)) = (self.tree.text(names[0]), self.tree.text(names[1])) else {
            return fault("is not a valid pickle: a name is not text");
        };
        let global = Global::named(module, name)?;
        self.push(Node::Global(global))
    }

    fn object(&mut self, code: u8) -> Outcome<()> {
        if code == b'Q' {
            let id = self.pop()?;
            let node = self.persistent(id)?;
            return self.push(node);
        }
        let ids = self.pop_many(2)?;
        let (below, above) = (ids[0], ids[1]);
        let made = if code == b'b' { self.build(below, above)? } else { self.call(below, above)? };
        self.stack.push(made);
        Ok(())
    }

    fn push(&mut self, node: Node) -> Outcome<()> {
        let id = self.tree.push(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn top(&self) -> Outcome<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            _ => fault("is not a valid pickle: its stack is empty"),
        }
    }

    fn pop(&mut self) -> Outcome<Id> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_many(&mut self, count: usize) -> Outcome<Vec<Id>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => fault("is not a valid pickle: its stack is empty"),
        }
    }

    fn pop_to_mark(&mut self) -> Outcome<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => fault("is not a valid pickle: a mark is missing"),
        }
    }
}

/// Python 2 had one kind of string: text where it can be, bytes otherwise.
fn old_text(bytes: Vec<u8>) -> Node {
    match String::from_utf8(bytes) {
        Ok(text) => Node::Text(text.into()),
        Err(error) => Node::Bytes(error.into_bytes().into()),
    }
}

pub(super) fn pairs(items: &[Id]) -> Outcome<Vec<(Id, Id)>> {
    if !items.len().is_multiple_of(2) {
        return fault("is not a valid pickle: a key has no value");
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
