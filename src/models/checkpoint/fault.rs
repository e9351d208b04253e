//! What is wrong with a checkpoint, before the file's name is known.

use std::io;

/// What is wrong, in words; the name of the file is added where it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

/// The result of reading a part of a checkpoint.
pub(super) type Outcome<T> = Result<T, Fault>;

/// A fault as an error.
pub(super) fn fault<T>(detail: impl Into<String>) -> Outcome<T> {
    Err(Fault(detail.into()))
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self("is cut short".to_owned()),
            _ => Self(format!("cannot be read ({error})")),
        }
    }
}
