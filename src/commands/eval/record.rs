//! With which settings the rows of an output folder were made, so that no others are mixed with them.

use super::protocol::ProtocolName;
use super::rows::Table;
use super::setting::Legacy;
use crate::commands::session::failure::Failure;
use anyhow::{Context, Result};
use recon::settings::MethodSpec;
use recon_data::{Overwrite, atomic};
use recon_operators::Transform;
use recon_pipelines::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files of an evaluation.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outputs {
    /// The settings.
    pub(super) settings: PathBuf,
    /// A row an image and method.
    pub(super) rows: PathBuf,
    /// Mean and standard deviation.
    pub(super) summary: PathBuf,
    /// PSNR against the number of measurements.
    pub(super) plot: PathBuf,
    /// The same of the legacy settings, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) legacy_plot: Option<PathBuf>,
}

impl Outputs {
    /// The files in `folder`.
    pub(super) fn of(folder: &Path, legacy: Option<Legacy>) -> Self {
        let file = |name| folder.join(name);
        Self {
            settings: file("settings.json"),
            rows: file("results.csv"),
            summary: file("summary.json"),
            plot: file("psnr.png"),
            legacy_plot: legacy.map(|legacy| folder.join(format!("psnr-{}.png", legacy.name()))),
        }
    }
}

/// Everything that decides the numbers of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Version of the program.
    version: String,
    /// The protocol's name and its settings.
    protocol: Value,
    /// Seed of masks, noise and samplers.
    seed: u64,
    /// By name: settings with every default filled in, model and device.
    methods: BTreeMap<String, Value>,
    /// By name: SHA-256 of every scan.
    files: BTreeMap<String, String>,
}

impl Record {
    /// Of a run without methods and scans yet.
    ///
    /// # Errors
    /// Never in practice: settings are plain numbers.
    pub(super) fn new(protocol: ProtocolName, settings: &impl Serialize, seed: u64) -> Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: json!({ "name": protocol, "settings": serde_json::to_value(settings)? }),
            seed,
            methods: BTreeMap::new(),
            files: BTreeMap::new(),
        })
    }

    /// Adds a method.
    ///
    /// # Errors
    /// Never in practice: settings are plain values.
    pub(super) fn add_method<T: Transform>(&mut self, spec: &MethodSpec, method: &Method<T>) -> Result<()> {
        let value =
            json!({ "method": serde_json::to_value(spec)?, "model": method.model, "device": method.device });
        self.methods.insert(method.name.to_owned(), value);
        Ok(())
    }

    /// Adds a scan.
    pub(super) fn add_file(&mut self, name: &str, sha256: String) {
        self.files.insert(name.to_owned(), sha256);
    }

    /// Joins this run to what the folder holds, and writes the settings of both: the rows to go on from, without
    /// those of scans that have changed. With `force` nothing is kept.
    ///
    /// # Errors
    /// [`Failure::Exists`] when the rows there were made with other settings.
    pub(super) fn join(mut self, outputs: &Outputs, force: bool) -> Result<Table> {
        let mut table = Table::new(outputs.rows.clone());
        if !force {
            table = Table::read(outputs.rows.clone())?;
        }
        if !table.is_empty() {
            let Some(earlier) = read(&outputs.settings)? else {
                return Err(differs(outputs, "settings.json is missing"));
            };
            self.check(&earlier, outputs)?;
            table.retain(|key| match (self.files.get(&key.file), earlier.files.get(&key.file)) {
                (Some(now), Some(before)) => now == before,
                (now, _) => now.is_none(),
            });
            self.inherit(earlier);
        }
        let bytes = serde_json::to_vec_pretty(&self)?;
        atomic::write_bytes(&outputs.settings, &bytes, Overwrite::Force)?;
        Ok(table)
    }

    fn check(&self, earlier: &Self, outputs: &Outputs) -> Result<()> {
        let parts = [
            (self.version == earlier.version, format!("version {} wrote them", earlier.version)),
            (self.protocol == earlier.protocol, "they belong to another protocol".to_owned()),
            (self.seed == earlier.seed, format!("they belong to seed {}", earlier.seed)),
        ];
        let methods = self.methods.iter().map(|(name, plan)| {
            let same = earlier.methods.get(name).is_none_or(|before| before == plan);
            (same, format!("{name} had other settings"))
        });
        match parts.into_iter().chain(methods).find(|(same, _)| !same) {
            Some((_, why)) => Err(differs(outputs, &why)),
            None => Ok(()),
        }
    }

    /// Takes over what only the earlier runs had.
    fn inherit(&mut self, earlier: Self) {
        for (name, plan) in earlier.methods {
            self.methods.entry(name).or_insert(plan);
        }
        for (name, digest) in earlier.files {
            self.files.entry(name).or_insert(digest);
        }
    }
}

fn read(path: &Path) -> Result<Option<Record>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let damaged = |_| {
        Failure::Input(format!("{}: is damaged; remove it or choose another output folder", path.display()))
    };
    Ok(Some(serde_json::from_str(&text).map_err(damaged)?))
}

fn differs(outputs: &Outputs, why: &str) -> anyhow::Error {
    Failure::Exists(format!(
        "{}: holds results that this run cannot continue: {why}; choose another folder with -o or give --force \
         to start anew",
        outputs.rows.display()
    ))
    .into()
}
