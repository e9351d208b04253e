//! `recon tune`: which settings of a learned method are best on a folder of images.

mod log;
mod objective;
mod parameter;
mod record;
mod report;
mod sampler;
mod search;
mod trial;

use super::cli::common::RunOptions;
use super::cli::settings::{SettingArgs, searched_method};
use super::cli::values::{count, duration};
use super::eval::measure::{self, Modality};
use super::eval::metal::Mar;
use super::eval::protocol::{Outline, Protocol, ProtocolName};
use super::session::context::Context;
use super::session::failure::Failure;
use anyhow::Result;
use clap::Args;
use recon::knobs::Info;
use recon::methods::Registry;
use recon::models::ModelSource;
use recon_pipelines::Task;
use search::Search;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `recon tune`.
#[derive(Args, Debug)]
pub struct TuneArgs {
    /// What is measured and how it is judged, as in recon eval.
    #[arg(long, value_enum)]
    pub protocol: ProtocolName,
    /// Folder with the images, as in recon eval. Give images of people that the prior was not trained on and
    /// for whom no result is reported.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The method whose settings are searched.
    #[arg(long, value_parser = searched_method(), default_value = "score")]
    pub method: &'static Info,
    /// Folder for trials.jsonl, settings.json, summary.json and model/, a copy of the model with the best
    /// settings on its card; a search that was stopped continues there.
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub output: PathBuf,
    /// Write the best settings onto the card of the model itself instead of a copy.
    #[arg(long, help_heading = "Output")]
    pub write: bool,
    /// Discard the search in the folder and start anew.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Print the result as one JSON object on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Stop after this many trials in all.
    #[arg(long, value_name = "N", value_parser = count, default_value = "100", help_heading = "Search")]
    pub trials: usize,
    /// Stop after this time in all, for example 40m, 90s or 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, help_heading = "Search")]
    pub time: Option<Duration>,
    /// At most N slices in all, spread over the scans.
    #[arg(long, value_name = "N", value_parser = count, default_value = "10", help_heading = "Search")]
    pub limit: usize,
    /// Seed of the search, of masks and of noise.
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

impl TuneArgs {
    /// The method, which must serve a task.
    fn info(&self, task: Task) -> Result<&'static Info, Failure> {
        if self.method.tasks.contains(&task) {
            return Ok(self.method);
        }
        let (method, protocol) = (self.method.name, self.protocol.name());
        Err(Failure::Usage(format!("--method {method}: protocol {protocol} has no such method; see --help")))
    }

    /// Where the model is that is tuned.
    fn source(&self, info: &'static Info, task: Task) -> Result<ModelSource> {
        let model = self.settings.layers.text(info, "model");
        Ok(ModelSource::named(&model.unwrap_or_else(|| Registry::builtin(task).to_owned()))?)
    }

    /// The folder of the card that the best settings are written onto.
    ///
    /// # Errors
    /// When that would be inside the program.
    fn target(&self, source: &ModelSource) -> Result<PathBuf, Failure> {
        match source {
            ModelSource::Path(folder) if self.write => Ok(folder.clone()),
            ModelSource::Builtin(_) | ModelSource::BuiltinCoarse(_) | ModelSource::BuiltinConditional(_)
                if self.write =>
            {
                let message = "--write: the built-in models stay as they are; leave it out for a copy in -o";
                Err(Failure::Usage(message.to_owned()))
            }
            _ => Ok(self.output.join("model")),
        }
    }

    fn check(&self, info: &'static Info) -> Result<(), Failure> {
        let said = |key: &str| self.settings.layers.said(info, key).is_some();
        let idle = ["samples", "estimate"].into_iter().find(|key| said(key)).map(|key| format!("--{key}"));
        match idle.or_else(|| (!self.settings.noise_std.is_empty()).then(|| "--noise-std".to_owned())) {
            Some(option) => {
                let message =
                    "the search judges one estimate of each slice under a protocol; leave the option out";
                Err(Failure::Usage(format!("{option}: {message}")))
            }
            None => Ok(()),
        }
    }

    fn run<M: Modality>(&self, outline: &'static Outline<M::Setting>) -> Result<()> {
        let info = self.info(M::TASK)?;
        self.check(info)?;
        let source = self.source(info, M::TASK)?;
        let target = self.target(&source)?;
        let context = Context::new(&self.run)?;
        Search::<M>::new(self, info, outline.settings, outline.slices, &context)?.run(&source, &target)
    }
}

/// Runs `recon tune`.
///
/// # Errors
/// When nothing can be tuned or the user stopped it.
pub fn run(args: &TuneArgs) -> Result<()> {
    match args.protocol.protocol() {
        Protocol::Ct(outline) => args.run::<measure::Ct>(outline),
        Protocol::Mri(outline) => args.run::<measure::Mri>(outline),
        Protocol::Mar(outline) => args.run::<Mar>(outline),
    }
}
