//! `recon model import`: a bundle from a published checkpoint.

use crate::commands::session::failure::Failure;
use anyhow::Result;
use candle_core::Tensor;
use clap::Args;
use recon::models::{ArchFile, Checkpoint, Dtype, Manifest, Weights, write_bundle};
use recon_data::atomic::{refuse_existing, write_folder_with};
use recon_data::{DataError, Overwrite};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest description of an architecture that is read, bytes.
const MAX_ARCH: u64 = 1 << 20;

/// What to import.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The checkpoint; the format is recognised from its content
    #[arg(value_name = "UPSTREAM")]
    pub upstream: PathBuf,
    /// What the checkpoint does not hold, with the names of the upstream configuration
    #[arg(long, value_name = "ARCH.toml")]
    pub arch: PathBuf,
    /// Take the average of the weights over training [default when there is one]
    #[arg(long, conflicts_with = "raw")]
    pub ema: bool,
    /// Take the weights of the last step
    #[arg(long)]
    pub raw: bool,
    /// Bundle folder to write
    #[arg(short, long, value_name = "BUNDLE_DIR")]
    pub output: PathBuf,
    /// Name on the model card [default: the name of the folder]
    #[arg(long)]
    pub name: Option<String>,
    /// Overwrite an existing bundle
    #[arg(long)]
    pub force: bool,
}

/// Imports and says what was taken.
///
/// # Errors
/// When the checkpoint or the description cannot be read or do not fit, or the bundle cannot be written.
pub(super) fn import(args: &ImportArgs) -> Result<String> {
    let overwrite = if args.force { Overwrite::Force } else { Overwrite::Refuse };
    if !is_empty(&args.output) {
        refuse_existing(&args.output, overwrite)?;
    }
    let arch = read_arch(&args.arch)?;
    let checkpoint = Checkpoint::open(&args.upstream)?;
    let weights = choose(args, &checkpoint)?;
    let tensors = checkpoint.network(&arch, weights)?;
    let card = card(args, &arch, &checkpoint, weights);
    let card = write(&args.output, &card, &tensors)?;
    Ok(format!(
        "{}: {} of {} ({}), {} tensors, {} numbers, SHA-256 {}",
        args.output.display(),
        in_words(weights),
        args.upstream.display(),
        checkpoint.format(),
        tensors.len(),
        card.weights.parameters,
        card.weights.sha256
    ))
}

fn choose(args: &ImportArgs, checkpoint: &Checkpoint) -> Result<Weights> {
    let ema = args.ema || !args.raw && checkpoint.has_average()?;
    Ok(if ema { Weights::Ema } else { Weights::Raw })
}

fn in_words(weights: Weights) -> &'static str {
    match weights {
        Weights::Ema => "the average (EMA) of the weights",
        Weights::Raw => "the raw weights of the last step",
    }
}

/// The description of a network in the file ARCH.toml.
///
/// # Errors
/// When the file cannot be read or describes no network.
pub fn read_arch(path: &Path) -> Result<ArchFile> {
    let wrong = |detail: String| {
        Failure::Input(format!("{}: {detail}; correct the description of the network", path.display()))
    };
    let read = recon_data::read_text(path, MAX_ARCH);
    let text = read.map_err(|error| wrong(format!("cannot be read ({error})")))?;
    Ok(ArchFile::parse(&text).map_err(wrong)?)
}

fn card(args: &ImportArgs, arch: &ArchFile, checkpoint: &Checkpoint, weights: Weights) -> Manifest {
    let file_name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let upstream = file_name(&args.upstream);
    let name = args.name.clone().unwrap_or_else(|| file_name(&args.output));
    let mut card = arch.manifest(&name, &format!("{}, from {upstream}", arch.summary()));
    card.training.steps = checkpoint.step().unwrap_or(0);
    card.training.how = format!("imported: {} of {upstream} ({})", in_words(weights), checkpoint.format());
    card
}

/// Writes the bundle whole or not at all; under `--force`, file by file into the folder that is there.
fn write(folder: &Path, card: &Manifest, tensors: &BTreeMap<String, Tensor>) -> Result<Manifest> {
    if !is_empty(folder) {
        return Ok(write_bundle(folder, card, tensors, Dtype::F32)?);
    }
    let mut written = card.clone();
    write_folder_with(folder, Overwrite::Force, |temporary| {
        written = write_bundle(temporary, card, tensors, Dtype::F32).map_err(|error| DataError::Io {
            path: folder.to_owned(),
            source: std::io::Error::other(error.to_string()),
        })?;
        Ok::<(), DataError>(())
    })?;
    Ok(written)
}

/// Whether there is nothing at `folder`, or an empty folder.
fn is_empty(folder: &Path) -> bool {
    match folder.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !folder.exists(),
    }
}
