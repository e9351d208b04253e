//! `recon eval`: how good methods are on a folder of images, by a protocol that has a name.

pub mod images;
pub mod measure;
pub mod metal;
mod pictures;
pub mod protocol;
mod record;
mod rows;
mod run;
pub mod setting;
mod summary;
mod thesis;

use super::cli::common::RunOptions;
use super::cli::settings::{SettingArgs, any_method};
use crate::commands::session::context::Context;
use crate::commands::session::failure::Failure;
use anyhow::Result;
use clap::Args;
use measure::Modality;
use protocol::{Outline, Protocol, ProtocolName};
use recon::knobs::Info;
use recon::settings::find;
use recon_pipelines::Task;
use run::Evaluation;
use setting::Legacy;
use std::path::PathBuf;

/// Arguments of `recon eval`.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// What is measured and what runs on it; docs/evaluation.md has the definitions.
    #[arg(long, value_enum)]
    pub protocol: ProtocolName,
    /// Folder with the images: NIfTI and .npy files, DICOM series in folders of their own. Give images of people
    /// that no prior was trained on.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// What to evaluate [default: the protocol's baselines and score].
    #[arg(long, value_parser = any_method(), value_delimiter = ',')]
    pub method: Vec<&'static Info>,
    /// Folder for results.csv, summary.json, settings.json and psnr.png; a run that was stopped continues there
    /// [default: eval-<protocol>].
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// At most N slices in all, spread over the scans.
    #[arg(long, value_name = "N", value_parser = crate::commands::cli::values::count, help_heading = "Input")]
    pub limit: Option<usize>,
    /// Add the settings of a published work to the protocol's own, with its images and metrics; every row and file names
    /// the work.
    #[arg(long, value_enum, help_heading = "Input")]
    pub legacy: Option<Legacy>,
    /// Draw truth, best baseline, result and error of the best, the median and the worst slice of every setting;
    /// takes up to six more reconstructions for every setting.
    #[arg(long, help_heading = "Output")]
    pub pictures: bool,
    /// Discard the results in the folder and start anew.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Print every row and the means as one JSON object on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Seed of masks, noise and samplers.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        env = "RECON_SEED",
        hide_env = true,
        help_heading = "Run"
    )]
    pub seed: u64,
    #[command(flatten)]
    pub settings: SettingArgs,
    #[command(flatten)]
    pub run: RunOptions,
}

impl EvalArgs {
    /// The folder of the results.
    fn folder(&self) -> PathBuf {
        let legacy = self.legacy.map_or_else(String::new, |legacy| format!("-{}", legacy.name()));
        self.output.clone().unwrap_or_else(|| format!("eval-{}{legacy}", self.protocol.name()).into())
    }

    /// The ways to measure.
    ///
    /// # Errors
    /// When the protocol has none of the published work that was asked for.
    fn measured<S>(&self, outline: &'static Outline<S>) -> Result<Vec<&'static S>, Failure> {
        let legacy = match self.legacy {
            None => &[],
            Some(Legacy::Thesis) => outline.thesis,
        };
        if let Some(work) = self.legacy.filter(|_| legacy.is_empty()) {
            let (work, protocol) = (work.name(), self.protocol.name());
            let message =
                format!("--legacy {work}: there are no such settings for protocol {protocol}; leave it out");
            return Err(Failure::Usage(message));
        }
        Ok(outline.settings.iter().chain(legacy).collect())
    }

    /// The methods to run, each once.
    fn methods<S>(&self, outline: &Outline<S>, task: Task) -> Result<Vec<&'static Info>, Failure> {
        let mut methods: Vec<&'static Info> = Vec::new();
        for &info in &self.method {
            if !info.tasks.contains(&task) {
                let (name, protocol) = (info.name, self.protocol.name());
                let message = format!("--method {name}: protocol {protocol} has no such method; see --help");
                return Err(Failure::Usage(message));
            }
            if !methods.iter().any(|known| known.name == info.name) {
                methods.push(info);
            }
        }
        let usual = || outline.methods.iter().filter_map(|name| find(name)).collect();
        Ok(if methods.is_empty() { usual() } else { methods })
    }

    fn run<M: Modality>(&self, outline: &'static Outline<M::Setting>) -> Result<()> {
        let methods = self.methods(outline, M::TASK)?;
        let (measured, context) = (self.measured(outline)?, Context::new(&self.run)?);
        Evaluation::<M>::new(self, measured, outline.amount, &methods, &context)?.run(outline.slices)
    }
}

/// Runs `recon eval`.
///
/// # Errors
/// When nothing can be evaluated; [`Failure::Cases`] when some scans could not.
pub fn run(args: &EvalArgs) -> Result<()> {
    match args.protocol.protocol() {
        Protocol::Ct(outline) => args.run::<measure::Ct>(outline),
        Protocol::Mri(outline) => args.run::<measure::Mri>(outline),
        Protocol::Mar(outline) => args.run::<metal::Mar>(outline),
    }
}
