//! The options that every reconstruction has.

use super::values::{count, duration, finite};
use clap::Args;
use recon_pipelines::SliceRange;
use std::path::PathBuf;
use std::time::Duration;

/// Options about input, output and logs, the same for all reconstructions.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Where to write; the extension chooses the format [default: beside the input, <stem>_recon.<ext>].
    #[arg(short, long, value_name = "PATH", env = "RECON_OUTPUT", hide_env = true, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Overwrite existing files.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Continue with the slices that an interrupted run has finished.
    #[arg(long, help_heading = "Output")]
    pub resume: bool,
    /// Write a picture with the truth, baseline, result and error of the middle slice.
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub preview: Option<PathBuf>,
    /// Write DICOM without what identifies the patient; the secret in this file, 32 random bytes or more, makes the pseudonyms.
    #[arg(long, value_name = "KEYFILE", help_heading = "Output")]
    pub deidentify: Option<PathBuf>,
    /// With --samples, also write the 5 % and the 95 % quantile of every voxel.
    #[arg(long, help_heading = "Output")]
    pub quantiles: bool,
    /// Also write the part of the image that the measurement does not see, which the method alone put there.
    #[arg(long, help_heading = "Output")]
    pub null_space: bool,
    /// Print the report as one JSON object on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Only print the case with every default filled in, as a file for recon run.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Only slices A to B, counted from 0, without B itself.
    #[arg(long, value_name = "A..B", help_heading = "Input")]
    pub slices: Option<SliceRange>,
    /// An image to compare the result with, of the same shape and unit.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub reference: Option<PathBuf>,
    /// Time for a slice, such as 30s: a short run is timed first, and as many noise levels are taken as fit.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "steps", help_heading = "Run")]
    pub budget: Option<Duration>,
    /// Seed of all random numbers.
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
    pub run: RunOptions,
}

/// What is taken of images, the same for all reconstructions whose measurement is simulated.
#[derive(Args, Clone, Debug)]
pub struct ImageOptions {
    /// Which series of a folder that holds several; without it the error lists their names.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub series: Option<String>,
    /// Replace values that are not a number (NaN) by this one, instead of refusing them.
    #[arg(long, value_name = "VALUE", value_parser = finite, allow_negative_numbers = true, help_heading = "Input")]
    pub nan_to: Option<f32>,
}

/// Options about how to run, for every command that computes.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// Number of threads [default: SLURM_CPUS_PER_TASK, else all cores].
    #[arg(long, value_name = "N", value_parser = count, env = "RECON_THREADS", hide_env = true, help_heading = "Run")]
    pub threads: Option<usize>,
    /// Read defaults from this file; options and RECON_* variables override it.
    #[arg(long, value_name = "FILE.toml", env = "RECON_CONFIG", hide_env = true, help_heading = "Run")]
    pub config: Option<PathBuf>,
    /// Print errors only.
    #[arg(short, long, help_heading = "Run")]
    pub quiet: bool,
    /// Print more.
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Run")]
    pub verbose: bool,
}
