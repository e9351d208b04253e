//! `recon info`: what a file is.

use super::session::context;
use anyhow::Result;
use clap::Args;
use recon_data::inspect;
use serde_json::Value;
use std::path::PathBuf;

/// Arguments of `recon info`.
#[derive(Args, Debug)]
pub struct InfoArgs {
    /// A DICOM file or folder, NIfTI or .npy.
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
    let info = serde_json::to_value(inspect(&args.file)?)?;
    context::print(&if args.json { info.to_string() } else { lines(&info) })
}

fn lines(info: &Value) -> String {
    let Value::Object(fields) = info else { return info.to_string() };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let known = fields.iter().filter(|(_, value)| !value.is_null());
    let lines: Vec<String> = known.map(|(name, value)| format!("{name:<width$}  {}", words(value))).collect();
    lines.join("\n")
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
