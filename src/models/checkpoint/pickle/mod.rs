//! Python's pickle, as far as checkpoints need it, read as data: nothing is ever called.
//!
//! A pickle is a program for a stack machine. This machine builds values in a [`Tree`]; what the program would
//! call is looked up in a short list ([`Global`]) and anything else is refused by name.

mod call;
mod global;
mod machine;
mod numpy;

pub(super) use global::Global;
pub(super) use machine::unpickle;

#[cfg(test)]
mod tests;
