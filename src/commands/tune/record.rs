//! With what a search was begun, so that it goes on with the same or not at all.

use super::parameter::Point;
use super::trial::Origin;
use crate::commands::session::failure::Failure;
use anyhow::{Context, Result};
use recon_data::{Overwrite, atomic};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Settings that are tried before the search begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    /// Whose they are.
    pub(super) origin: Origin,
    /// The settings.
    pub(super) settings: Point,
}

/// Everything that decides a trial's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Version of the program.
    pub(super) version: String,
    /// The protocol's name and its settings.
    pub(super) protocol: Value,
    /// The method.
    pub(super) method: String,
    /// Seed of the search, the masks and the noise.
    pub(super) seed: u64,
    /// What the user fixed, or is not searched for: settings by name.
    pub(super) held: Value,
    /// The network, by the SHA-256 of its weights.
    pub(super) model: Value,
    /// Where it runs.
    pub(super) device: String,
    /// Which slices: scan, then numbers.
    pub(super) slices: Vec<(String, usize)>,
    /// By name: SHA-256 of every scan.
    pub(super) files: BTreeMap<String, String>,
    /// What is tried first.
    pub(super) starts: Vec<Start>,
}

impl Record {
    /// Joins this search to the one in the folder, if `begun`, and writes what both are made with; what is tried
    /// first stays as it was at the beginning: the card may have changed since.
    ///
    /// # Errors
    /// [`Failure::Exists`] when the search there is another one.
    pub(super) fn join(mut self, path: &Path, begun: bool) -> Result<Self> {
        if begun {
            let earlier = read(path)?.ok_or_else(|| differs(path, "it is missing"))?;
            self.check(&earlier, path)?;
            self.starts = earlier.starts;
        }
        atomic::write_bytes(path, &serde_json::to_vec_pretty(&self)?, Overwrite::Force)?;
        Ok(self)
    }

    fn check(&self, earlier: &Self, path: &Path) -> Result<(), Failure> {
        let parts = [
            (self.version == earlier.version, "the version"),
            (self.protocol == earlier.protocol, "the protocol"),
            (self.method == earlier.method, "the method"),
            (self.seed == earlier.seed, "the seed"),
            (self.held == earlier.held, "what was held fixed"),
            (self.model == earlier.model, "the model"),
            (self.device == earlier.device, "the device"),
            (self.slices == earlier.slices, "which slices"),
            (self.files == earlier.files, "the scans"),
        ];
        match parts.into_iter().find(|(same, _)| !same) {
            Some((_, what)) => Err(differs(path, &format!("{what} differed"))),
            None => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<Option<Record>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let damaged =
        |_| Failure::Input(format!("{}: is damaged; choose another folder with -o", path.display()));
    Ok(Some(serde_json::from_str(&text).map_err(damaged)?))
}

fn differs(path: &Path, why: &str) -> Failure {
    Failure::Exists(format!(
        "{}: the folder holds another search: {why}; choose another with -o or give --force to start anew",
        path.display()
    ))
}
