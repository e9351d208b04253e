//! What is written down about a case: one small JSON file for every attempt at it.

use super::worker::Worker;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// An attempt at a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which version of this description it is.
    pub schema: u32,
    /// Where the result goes, below the folder of outputs.
    #[serde(serialize_with = "crate::paths::one")]
    pub output: PathBuf,
    /// Which attempt it is, from 1.
    pub number: u32,
    /// How it stands.
    pub status: Status,
    /// Who works on it, or did.
    pub worker: Worker,
    /// Whether the outputs were free when it began, so that what lies there now is its own.
    pub owns_outputs: bool,
    /// What it is made of.
    pub made_of: Ingredients,
    /// Finished slices, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<[usize; 2]>,
    /// Wall time, seconds.
    #[serde(default)]
    pub seconds: f64,
    /// Score-network calls.
    #[serde(default)]
    pub network_calls: usize,
    /// The files that were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Written>,
    /// Why it failed, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The version of the description.
pub(super) const SCHEMA: u32 = 1;

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Somebody works on it.
    Running,
    /// Stopped by a signal; its finished slices are kept.
    Interrupted,
    /// The result is written.
    Done,
    /// It ended with an error.
    Failed,
}

/// Everything that decides a result, as digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredients {
    /// SHA-256 of the description of the case without its paths.
    pub options: String,
    /// SHA-256 of every input.
    pub inputs: Vec<String>,
    /// SHA-256 of the model's weights, where there is a model.
    pub model: Option<String>,
    /// Version of the program.
    pub version: String,
}

impl Ingredients {
    /// What of it is different, in words; nothing if all is the same.
    pub fn changes(&self, other: &Self) -> Vec<&'static str> {
        let pairs = [
            (self.inputs != other.inputs, "input"),
            (self.options != other.options, "options"),
            (self.model != other.model, "model"),
            (self.version != other.version, "program version"),
        ];
        pairs.into_iter().filter_map(|(changed, name)| changed.then_some(name)).collect()
    }
}

/// A file of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Where it is, below the folder of outputs.
    #[serde(serialize_with = "crate::paths::one")]
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

impl Attempt {
    /// The first or a further attempt, begun by this worker.
    pub(super) fn begun(output: PathBuf, number: u32, worker: Worker) -> Self {
        Self {
            schema: SCHEMA,
            output,
            number,
            status: Status::Running,
            worker,
            owns_outputs: false,
            made_of: Ingredients::default(),
            slices: None,
            seconds: 0.0,
            network_calls: 0,
            files: Vec::new(),
            reason: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_named() {
        let old = Ingredients { inputs: vec!["a".into()], version: "1".into(), ..Ingredients::default() };
        assert!(old.changes(&old.clone()).is_empty());
        let new = Ingredients { model: Some("m".into()), inputs: vec!["b".into()], ..old.clone() };
        assert_eq!(new.changes(&old), ["input", "model"]);
    }
}
