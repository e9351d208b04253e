//! `recon info`: what a file is.

use super::session::context;
use anyhow::Result;
use clap::Args;
use recon_data::{FileInfo, Modality, SURELY_HOUNSFIELD, inspect};
use serde_json::Value;
use std::path::PathBuf;

/// Arguments of `recon info`.
#[derive(Args, Debug)]
pub struct InfoArgs {
    /// A DICOM file or folder, NIfTI, .npy, or raw k-space (HDF5 of fastMRI or ISMRMRD, .cfl of BART).
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Runs `recon info`. Names of patients are never shown.
///
/// # Errors
/// When the file cannot be read.
pub fn run(args: &InfoArgs) -> Result<()> {
    let info = inspect(&args.file)?;
    let next = next(&info);
    let mut info = serde_json::to_value(info)?;
    info["next"] = serde_json::to_value(next)?;
    context::print(&if args.json { info.to_string() } else { lines(&info) })
}

/// The commands that take such a file, and how they would take it.
fn next(info: &FileInfo) -> Vec<&'static str> {
    if info.raw.is_some() {
        return vec!["recon mri: as raw k-space"];
    }
    let hounsfield = info.range.is_some_and(|[low, _]| low < SURELY_HOUNSFIELD);
    match (info.modality, info.range) {
        (Some(Modality::Ct), _) => vec!["recon ct or recon mar: in Hounsfield units"],
        (Some(Modality::Mr), _) => vec!["recon mri: as magnitudes"],
        (None, None) => vec!["recon mri --kspace: as measured k-space, if it is centred"],
        (None, Some(_)) if info.shape.len() > 3 => vec!["none: select one image or volume"],
        (None, Some(_)) if hounsfield => {
            vec!["recon ct or recon mar: as CT in Hounsfield units, since values lie below -200"]
        }
        (None, Some(_)) => {
            vec![
                "recon mri: as magnitudes",
                "recon ct --unit hu or attenuation: as CT",
                "recon ct --sinogram: as line integrals",
            ]
        }
    }
}

fn lines(info: &Value) -> String {
    let Value::Object(fields) = info else { return info.to_string() };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let known = fields.iter().filter(|(_, value)| !is_empty(value));
    let lines: Vec<String> = known.map(|(name, value)| format!("{name:<width$}  {}", words(value))).collect();
    lines.join("\n")
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let separator = if items.iter().any(Value::is_string) { "; " } else { ", " };
            items.iter().map(words).collect::<Vec<_>>().join(separator)
        }
        Value::Object(fields) => {
            let known = fields.iter().filter(|(_, value)| !is_empty(value));
            known.map(|(name, value)| format!("{name}: {}", words(value))).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}
