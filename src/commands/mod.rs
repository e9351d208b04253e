//! The commands, one file or folder for each verb: its arguments, and the library's work that they ask for. Commands
//! parse and print, and decide nothing about the result of a case. `sample`, `likelihood`, `eval` and `tune` are more than
//! that: they put their results together themselves.

mod batch;
mod bids;
pub mod cli;
mod compare;
mod completions;
mod ct;
mod denoise;
mod eval;
mod help;
mod info;
mod likelihood;
mod man;
mod mar;
mod model;
mod mri;
mod pacs;
mod run;
mod sample;
pub mod session;
mod simulate;
mod train;
mod tune;

use clap::Subcommand;

/// What the program can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Reconstruct CT: from an image, with few views simulated, or from a measured sinogram.
    Ct(Box<ct::CtArgs>),
    /// Reconstruct MRI: from an image, with undersampling simulated, or from measured k-space.
    Mri(Box<mri::MriArgs>),
    /// Remove metal artifacts from CT images.
    Mar(Box<mar::MarArgs>),
    /// Take the noise out of an image, or of repeats of one.
    Denoise(Box<denoise::DenoiseArgs>),
    /// Run a case from a file: what --dry-run printed, or the sidecar of a result.
    Run(Box<run::RunArgs>),
    /// Reconstruct many scans, resumably and shared between processes, with a report.
    Batch(Box<batch::BatchArgs>),
    /// Reconstruct a BIDS dataset, as a BIDS app.
    Bids(Box<bids::BidsArgs>),
    /// Simulate a measurement from an image, without reconstructing it.
    #[command(subcommand)]
    Simulate(simulate::SimulateCommand),
    /// Compare two images by PSNR, SSIM, NMSE and the largest error.
    Compare(compare::CompareArgs),
    /// Evaluate methods on a folder of images under a named protocol.
    Eval(Box<eval::EvalArgs>),
    /// Show what a file is and which commands take it.
    Info(info::InfoArgs),
    /// Train a prior on your own images.
    Train(Box<train::TrainArgs>),
    /// Find the settings of a learned method that work best on your images.
    Tune(Box<tune::TuneArgs>),
    /// Inspect, verify and import priors.
    Model(model::ModelArgs),
    /// Find, fetch and send images in a DICOM archive (PACS).
    Pacs(Box<pacs::PacsArgs>),
    /// Draw images from a model.
    Sample(sample::SampleArgs),
    /// Measure how probable images are under a model, in bits per grey value.
    Likelihood(likelihood::LikelihoodArgs),
    /// Explain a command, or a method with all its settings.
    Help(help::HelpArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
    /// Write manual pages.
    Man(man::ManArgs),
}

impl Command {
    /// Runs the command; `words` are the command line, for reports.
    ///
    /// # Errors
    /// Whatever went wrong; [`session::failure::exit_code`] knows what to tell the shell.
    pub fn run(&self, words: &[String]) -> anyhow::Result<()> {
        match self {
            Self::Ct(args) => ct::run(args, words),
            Self::Mri(args) => mri::run(args, words),
            Self::Mar(args) => mar::run(args, words),
            Self::Denoise(args) => denoise::run(args, words),
            Self::Run(args) => run::run(args, words),
            Self::Batch(args) => batch::run(args, words),
            Self::Bids(args) => bids::run(args, words),
            Self::Simulate(command) => simulate::run(command),
            Self::Compare(args) => compare::run(args),
            Self::Eval(args) => eval::run(args),
            Self::Info(args) => info::run(args),
            Self::Train(args) => train::run(args),
            Self::Tune(args) => tune::run(args),
            Self::Model(args) => model::run(args),
            Self::Pacs(args) => pacs::run(args),
            Self::Sample(args) => sample::run(args),
            Self::Likelihood(args) => likelihood::run(args),
            Self::Help(args) => help::run(args),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => man::run(args),
        }
    }
}
