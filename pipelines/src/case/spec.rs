//! The description of a case.

use super::Outputs;
use crate::{Input, Refused, TaskSpec};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A case: everything that decides a result, and where it goes.
///
/// `M` describes the method; this crate knows no network. What `--dry-run` prints, what a sidecar repeats and what
/// `recon run` takes is one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaseSpec<M> {
    /// Which version of this description it is.
    pub schema: Schema,
    /// Seed of every random number.
    #[serde(default)]
    pub seed: u64,
    /// Time for a slice in seconds: the method takes as many steps as fit into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// What it starts from.
    pub input: Input,
    /// What is measured.
    pub task: TaskSpec,
    /// How to reconstruct.
    pub method: M,
    /// Where results go.
    pub output: Outputs,
}

/// The version of the description that this program reads and writes.
pub const SCHEMA: u32 = 1;

/// [`SCHEMA`], and no other number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Schema;

impl TryFrom<u32> for Schema {
    type Error = String;
    fn try_from(number: u32) -> Result<Self, String> {
        if number == SCHEMA {
            return Ok(Self);
        }
        Err(format!("schema {number} is not known; this program reads schema {SCHEMA}"))
    }
}

impl From<Schema> for u32 {
    fn from(_: Schema) -> Self {
        SCHEMA
    }
}

impl<M> CaseSpec<M> {
    /// A case with seed 0 and no limit of time.
    pub fn new(input: Input, task: TaskSpec, method: M, output: Outputs) -> Self {
        Self { schema: Schema, seed: 0, budget: None, input, task, method, output }
    }

    /// Refuses a description that contradicts itself.
    ///
    /// # Errors
    /// [`Refused::Usage`] saying what does not fit.
    pub fn check(&self) -> Result<(), Refused> {
        self.task.check()?;
        self.output.check()?;
        let wrong = |what: &str| Err(Refused::Usage(what.to_owned()));
        if self.budget.is_some_and(|seconds| !(seconds.is_finite() && seconds > 0.0)) {
            return wrong("budget: give a time above 0");
        }
        match (&self.input, &self.task) {
            (Input::Sinogram(_), TaskSpec::Ct(spec)) if spec.detectors.is_some() => {
                wrong("--detectors: a measured sinogram has its own; leave the option out")
            }
            (Input::Sinogram(_), TaskSpec::Ct(spec)) if spec.views.is_some() => {
                wrong("--views: a measured sinogram has its own; leave the option out")
            }
            (Input::Image(_), TaskSpec::Mri(spec)) if spec.sampling.is_none() => {
                wrong("an image has no k-space; say in task.sampling what is measured")
            }
            (Input::Kspace(_), TaskSpec::Mri(spec)) if spec.sampling.is_some() => {
                wrong("task.sampling: measured k-space has its own; leave it out")
            }
            (Input::Image(_), _)
            | (Input::Sinogram(_), TaskSpec::Ct(_))
            | (Input::Kspace(_) | Input::Raw(_), TaskSpec::Mri(_)) => Ok(()),
            (Input::Sinogram(_), _) => wrong("a sinogram is an input of task ct"),
            (Input::Kspace(_) | Input::Raw(_), _) => wrong("k-space is an input of task mri"),
        }
    }

    /// The same case with another description of its method.
    ///
    /// # Errors
    /// As `change`.
    pub fn try_map<N, E>(self, change: impl FnOnce(M) -> Result<N, E>) -> Result<CaseSpec<N>, E> {
        let Self { schema, seed, budget, input, task, method, output } = self;
        Ok(CaseSpec { schema, seed, budget, input, task, method: change(method)?, output })
    }

    /// The same case with relative paths taken from `folder`.
    #[must_use]
    pub fn resolved(mut self, folder: &Path) -> Self {
        let inputs = self.input.paths_mut().into_iter().chain(self.task.paths_mut());
        for path in inputs.chain(self.output.paths_mut()) {
            *path = folder.join(&*path);
        }
        self
    }

    /// Every file that decides the result, that of the input first.
    pub fn files(&self) -> Vec<&Path> {
        self.input.files().into_iter().chain(self.task.files()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = r#"{"schema": 1, "input": {"kind": "image", "path": "a.npy"}, "task": {"name": "ct", "views": 9},
        "method": "fbp", "output": {"image": "b.npy"}}"#;

    fn parsed(text: &str) -> serde_json::Result<CaseSpec<String>> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_case_survives_being_written() {
        let case = parsed(CASE).expect("a case");
        case.check().expect("consistent");
        let text = serde_json::to_string(&case).expect("text");
        assert_eq!(parsed(&text).expect("a case"), case);
        let moved = case.resolved(Path::new("/data"));
        assert_eq!(
            (moved.input.path(), moved.output.image.as_path()),
            (Path::new("/data/a.npy"), Path::new("/data/b.npy"))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |from: &str, to: &str| {
            parsed(&CASE.replace(from, to))
                .map_err(|e| e.to_string())
                .and_then(|case| case.check().map_err(|e| e.to_string()))
        };
        assert!(refused(r#""schema": 1"#, r#""schema": 2"#).is_err_and(|e| e.contains("schema 2")));
        assert!(refused("views", "viewz").is_err_and(|e| e.contains("viewz")));
        assert!(refused(r#""views": 9"#, r#""views": 0"#).is_err_and(|e| e.contains("views")));
        assert!(
            refused(r#"{"kind": "image""#, r#"{"kind": "sinogram", "size": "4x4""#)
                .is_err_and(|e| e.contains("--views"))
        );
    }
}
