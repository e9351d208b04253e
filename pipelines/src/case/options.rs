//! How a case is run and heard, and what comes of it.

use crate::report::Report;
use crate::report::page::Embedding;
use crate::{Progress, Silent};
use recon_data::Leftovers;
use serde_json::Value;
use std::path::PathBuf;

/// Hears how a case goes.
pub trait Watch: Progress {
    /// Something that the user should know.
    fn say(&self, line: &str);
    /// Something that only a curious user wants to know.
    fn detail(&self, line: &str);
    /// So many slices are about to be reconstructed.
    fn begin(&self, slices: usize);
    /// `done` of `slices` slices are finished.
    fn slice(&self, done: usize, slices: usize);
    /// The last slice is done, or will not be.
    fn end(&self);
}

impl Watch for Silent {
    fn say(&self, _line: &str) {}
    fn detail(&self, _line: &str) {}
    fn begin(&self, _slices: usize) {}
    fn slice(&self, _done: usize, _slices: usize) {}
    fn end(&self) {}
}

/// How to run a case; nothing here changes a result.
pub struct Options<'a> {
    /// Overwrite existing files.
    pub force: bool,
    /// What happens to slices that an interrupted run has finished.
    pub leftovers: Leftovers,
    /// Whether the slices that are finished are written under another name when the run is stopped.
    pub partial: bool,
    /// Number of threads, for the report.
    pub threads: usize,
    /// The command line, for the report.
    pub command: Vec<String>,
    /// Version of the program, for the report.
    pub version: String,
    /// What the report says besides.
    pub sidecar: serde_json::Map<String, Value>,
    /// Where a few pictures are written for a page, and how fine.
    pub excerpt: Option<(PathBuf, Embedding)>,
    /// Hears how it goes, and may stop it.
    pub watch: &'a dyn Watch,
}

impl Default for Options<'_> {
    /// Nothing is written over, nothing is heard, and the report names no command.
    fn default() -> Self {
        Self {
            force: false,
            leftovers: Leftovers::Discard,
            partial: true,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            command: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sidecar: serde_json::Map::new(),
            excerpt: None,
            watch: &Silent,
        }
    }
}

/// What came of a case.
pub struct Outcome<M> {
    /// The name of the method.
    pub method: &'static str,
    /// The sidecar.
    pub report: Report<M>,
    /// How many of the report's warnings were told before the first slice.
    pub told: usize,
}
