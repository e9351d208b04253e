//! Why a case cannot be run as it is described.

/// A case that makes no sense, said in one line: what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What was asked for contradicts itself or the input.
    #[error("{0}")]
    Usage(String),
    /// An input is inconsistent or of another kind than is needed.
    #[error("{0}")]
    Input(String),
}

/// The work ended because it was asked to, see [`Progress::cancelled`](crate::Progress::cancelled).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Cancelled;

/// An error and its causes in one line; a cause that is quoted already is not repeated.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
