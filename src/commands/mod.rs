//! The commands. Each file holds one: its arguments, the plan that they amount to, the run, the writing.

mod budget;
pub mod compare;
pub mod completions;
pub mod config;
pub mod context;
pub mod ct;
pub mod defaults;
mod drawn;
pub mod eval;
pub mod failure;
pub mod info;
pub mod interrupt;
pub mod job;
pub mod learned;
pub mod likelihood;
pub mod load;
pub mod mar;
pub mod model;
pub mod model_score;
pub mod mri;
pub mod options;
pub mod process;
pub mod sample;
pub mod sampling;
pub mod scale;
pub mod scanner;
pub mod settings;
pub mod several;
pub mod simulate;
pub mod target;
pub mod train;
pub mod tune;
pub mod tuned;
mod typical;
pub mod values;
mod watched;

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
    /// Only make a measurement from an image.
    #[command(subcommand)]
    Simulate(simulate::SimulateCommand),
    /// Compare two images by PSNR, SSIM, NMSE and the largest error.
    Compare(compare::CompareArgs),
    /// Evaluate methods on a folder of images by a named protocol.
    Eval(Box<eval::EvalArgs>),
    /// Say what a file is and what would be done with it.
    Info(info::InfoArgs),
    /// Train a prior on your own images.
    Train(Box<train::TrainArgs>),
    /// Find the settings of a learned method that are best on your images.
    Tune(Box<tune::TuneArgs>),
    /// Look at the priors that ship with the program, or at one of your own.
    Model(model::ModelArgs),
    /// Draw images from a model.
    Sample(sample::SampleArgs),
    /// Say how probable images are under a model, in bits per grey value.
    Likelihood(likelihood::LikelihoodArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever went wrong; [`failure::exit_code`] knows what to tell the shell.
    pub fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Ct(args) => ct::run(args),
            Self::Mri(args) => mri::run(args),
            Self::Mar(args) => mar::run(args),
            Self::Simulate(command) => simulate::run(command),
            Self::Compare(args) => compare::run(args),
            Self::Eval(args) => eval::run(args),
            Self::Info(args) => info::run(args),
            Self::Train(args) => train::run(args),
            Self::Tune(args) => tune::run(args),
            Self::Model(args) => model::run(args),
            Self::Sample(args) => sample::run(args),
            Self::Likelihood(args) => likelihood::run(args),
            Self::Completions(args) => completions::run(args),
        }
    }
}
