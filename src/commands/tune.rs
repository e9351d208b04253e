//! `recon tune`: which settings of a learned method are best on a folder of images.

mod log;
mod objective;
mod parameter;
mod record;
mod report;
mod sampler;
mod search;
mod trial;

use super::context::Context;
use super::ct::CtMethod;
use super::eval::measure;
use super::eval::metal::Mar;
use super::eval::protocol::{Protocol, ProtocolName};
use super::failure::Failure;
use super::learned::{self, Task};
use super::mar::MarMethod;
use super::mri::MriMethod;
use super::options::{Family, Learned, RunOptions, given};
use super::values::duration;
use crate::models::ModelSource;
use anyhow::Result;
use clap::{Args, ValueEnum};
use search::Search;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `recon tune`.
#[derive(Args, Debug)]
pub struct TuneArgs {
    /// What is measured and how it is judged, as in recon eval.
    #[arg(long, value_enum)]
    pub protocol: ProtocolName,
    /// Folder with the images, as in recon eval. Give people whom neither the prior was trained on nor a
    /// result is reported of.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Whose settings.
    #[arg(long, value_enum, default_value_t = TuneMethod::Score)]
    pub method: TuneMethod,
    /// Folder for trials.jsonl, settings.json, summary.json and model/, a copy of the model with the best
    /// settings on its card; a search that was stopped goes on there.
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub output: PathBuf,
    /// Write the best settings onto the card of the model itself instead of a copy.
    #[arg(long, help_heading = "Output")]
    pub write: bool,
    /// Throw away the search that the folder holds.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Print the result as one JSON object on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Stop after this many trials in all.
    #[arg(long, value_name = "N", value_parser = super::values::count, default_value = "100", help_heading = "Search")]
    pub trials: usize,
    /// Stop after this time in all, for example 40m, 90s or 2h.
    #[arg(long = "for", value_name = "TIME", value_parser = duration, help_heading = "Search")]
    pub time: Option<Duration>,
    /// At most N slices in all, spread over the scans.
    #[arg(long, value_name = "N", value_parser = super::values::count, default_value = "10", help_heading = "Search")]
    pub limit: usize,
    /// Seed of the search, of masks and of noise.
    #[arg(long, value_name = "N", default_value_t = 0, env = "RECON_SEED", help_heading = "Run")]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub learned: Learned,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub run: RunOptions,
}

/// The methods with settings to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TuneMethod {
    /// The learned prior, fitted to the data.
    Score,
    /// The learned prior by predictor-corrector sampling.
    Pc,
}

impl TuneMethod {
    fn name(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Pc => "pc",
        }
    }

    fn family(self) -> Family {
        match self {
            Self::Score => Family::Score,
            Self::Pc => Family::PredictorCorrector,
        }
    }

    fn ct(self) -> CtMethod {
        match self {
            Self::Score => CtMethod::Score,
            Self::Pc => CtMethod::Pc,
        }
    }

    fn mri(self) -> MriMethod {
        match self {
            Self::Score => MriMethod::Score,
            Self::Pc => MriMethod::Pc,
        }
    }

    /// # Errors
    /// When there is no such method for metal.
    fn mar(self) -> Result<MarMethod, Failure> {
        match self {
            Self::Score => Ok(MarMethod::Score),
            Self::Pc => {
                Err(Failure::Usage("--method pc: protocol mar has no such method; see --help".to_owned()))
            }
        }
    }
}

impl TuneArgs {
    /// Where the model is that is tuned for a task.
    fn source(&self, task: Task) -> Result<ModelSource, Failure> {
        learned::source(&learned::model_name(&self.learned, task))
    }

    /// The folder of the card that the best settings are written onto.
    ///
    /// # Errors
    /// When that would be inside the program.
    fn target(&self, source: &ModelSource) -> Result<PathBuf, Failure> {
        match source {
            ModelSource::Path(folder) if self.write => Ok(folder.clone()),
            ModelSource::Builtin(_) | ModelSource::BuiltinCoarse(_) if self.write => {
                let message = "--write: the built-in models stay as they are; leave it out for a copy in -o";
                Err(Failure::Usage(message.to_owned()))
            }
            _ => Ok(self.output.join("model")),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        self.learned.check(self.method.family())?;
        for option in ["--samples", "--estimate"] {
            if given(option) {
                let message = "settings are found for one estimate a slice; leave it out";
                return Err(Failure::Usage(format!("{option}: {message}")));
            }
        }
        Ok(())
    }
}

/// Runs `recon tune`.
///
/// # Errors
/// When nothing can be tuned or the user stopped it; see [`super::failure`].
pub fn run(args: &TuneArgs) -> Result<()> {
    args.check()?;
    let protocol = args.protocol.protocol();
    let task = match protocol {
        Protocol::Ct(_) => Task::Ct,
        Protocol::Mri(_) => Task::Mri,
        Protocol::Mar(_) => Task::Mar,
    };
    let source = args.source(task)?;
    let target = args.target(&source)?;
    let context = Context::new(&args.run)?;
    match protocol {
        Protocol::Ct(outline) => {
            Search::<measure::Ct>::new(args, args.method.ct(), outline.settings, outline.slices, &context)?
                .run(&source, &target)
        }
        Protocol::Mri(outline) => {
            Search::<measure::Mri>::new(args, args.method.mri(), outline.settings, outline.slices, &context)?
                .run(&source, &target)
        }
        Protocol::Mar(outline) => {
            Search::<Mar>::new(args, args.method.mar()?, outline.settings, outline.slices, &context)?
                .run(&source, &target)
        }
    }
}
