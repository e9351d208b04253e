//! Arguments of `recon batch`.

use crate::commands::cli::common::RunOptions;
use crate::commands::cli::values::{bytes, count, named, shard};
use clap::{Args, Subcommand};
use recon::device::DeviceChoice;
use recon_pipelines::Task;
use recon_pipelines::batch::slurm;
use std::path::{Path, PathBuf};

/// Arguments of `recon batch`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BatchArgs {
    /// What to do with a batch besides running it.
    #[command(subcommand)]
    pub command: Option<BatchCommand>,
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Which part of the cases to run: the I-th of N [default: by the task number in a Slurm array, else all].
    #[arg(long, value_name = "I/N", value_parser = shard, help_heading = "Run")]
    pub shard: Option<Shard>,
    /// Continue a batch: what is not done, what failed, and what has changed since.
    #[arg(long, help_heading = "Run")]
    pub resume: bool,
    /// Do everything again and overwrite existing results.
    #[arg(long, conflicts_with = "resume", help_heading = "Run")]
    pub force: bool,
    /// Number of retries for a case that fails.
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Run")]
    pub retries: u32,
    /// Cases to run at a time [default: as many as there are threads and memory for].
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Run")]
    pub jobs: Option<usize>,
    /// Memory for all cases together, such as 16G [default: what this job is allowed].
    #[arg(long, value_name = "SIZE", value_parser = bytes, env = "RECON_MEM", hide_env = true, help_heading = "Run")]
    pub mem: Option<u64>,
    /// Only show the cases, with the time and memory that a short trial of each kind predicts.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Print a summary as one JSON object on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Where networks run: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value_t, env = "RECON_DEVICE", hide_env = true, help_heading = "Run")]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub run: RunOptions,
}

/// What is reconstructed: a plan, or inputs with the options that hold for all of them.
#[derive(Args, Clone, Debug, Default)]
pub struct PlanArgs {
    /// A plan; or inputs: files, globs, folders of images or DICOM series, BIDS datasets, manifests.
    #[arg(value_name = "PLAN.toml|INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Folder for the results.
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// What to reconstruct from the inputs [default: by the modality of DICOM files].
    #[arg(long, value_parser = named::<Task>(), help_heading = "Inputs without a plan")]
    pub task: Option<Task>,
    /// Method of reconstruction [default: the usual one of the task].
    #[arg(long, value_name = "NAME", help_heading = "Inputs without a plan")]
    pub method: Option<String>,
    /// Any option of the task's command.
    #[arg(long = "option", value_name = "KEY=VALUE", help_heading = "Inputs without a plan")]
    pub options: Vec<String>,
}

impl PlanArgs {
    /// A plan alone.
    pub fn of_plan(plan: &Path) -> Self {
        Self { inputs: vec![plan.to_owned()], ..Self::default() }
    }
}

/// What to do with a batch besides running it.
#[derive(Subcommand, Debug)]
pub enum BatchCommand {
    /// Show the state of a batch, on whatever machines it runs.
    Status(StatusArgs),
    /// Submit a batch to a cluster, as a job array whose tasks share the cases.
    Submit(SubmitArgs),
    /// Try a case given on stdin, and print the time and memory it takes.
    #[command(hide = true)]
    Trial(TrialArgs),
}

/// Arguments of `recon batch trial`.
#[derive(Args, Debug)]
pub struct TrialArgs {
    /// Where networks run.
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub run: RunOptions,
}

/// Arguments of `recon batch status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Print one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `recon batch submit`.
#[derive(Args, Debug)]
pub struct SubmitArgs {
    /// The plan.
    #[arg(value_name = "PLAN.toml")]
    pub plan: PathBuf,
    /// Submit it to Slurm.
    #[arg(long, required = true)]
    pub slurm: bool,
    /// Number of tasks that share the cases [default: one for each case, at most 100].
    #[arg(long, value_name = "N", value_parser = count)]
    pub tasks: Option<usize>,
    /// Number of tasks that run at a time [default: as many as the cluster allows].
    #[arg(long, value_name = "K", value_parser = count)]
    pub throttle: Option<usize>,
    /// Number of retries for a case that fails.
    #[arg(long, value_name = "N", default_value = "1")]
    pub retries: u32,
    /// Continue in another job when a task runs out of time or its machine fails.
    #[arg(long)]
    pub requeue: bool,
    #[command(flatten)]
    pub wanted: Wanted,
    /// Only print the script.
    #[arg(long)]
    pub dry_run: bool,
    /// Further sbatch options, after --, each in one word such as --qos=long.
    #[arg(last = true, value_name = "SBATCH OPTION")]
    pub others: Vec<String>,
}

/// What a task of a job array is given.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "For each task")]
pub struct Wanted {
    /// Partition to run in.
    #[arg(long, value_name = "NAME", value_parser = slurm::label)]
    pub partition: Option<String>,
    /// Account to charge.
    #[arg(long, value_name = "NAME", value_parser = slurm::label)]
    pub account: Option<String>,
    /// Time limit in Slurm's notation: minutes, hours:minutes:seconds or days-hours.
    #[arg(long, value_name = "TIME", value_parser = slurm::time)]
    pub time: Option<String>,
    /// Number of processors; each runs one thread.
    #[arg(long, value_name = "C", value_parser = count)]
    pub cpus: Option<usize>,
    /// Memory, such as 16G.
    #[arg(long, value_name = "SIZE", value_parser = slurm::memory)]
    pub mem: Option<String>,
    /// GPUs: how many, or which and how many, such as a100:1.
    #[arg(long, value_name = "G", value_parser = slurm::label)]
    pub gpus: Option<String>,
}

impl Wanted {
    /// As options of sbatch.
    pub fn options(&self) -> Vec<String> {
        let Self { partition, account, time, cpus, mem, gpus } = self.clone();
        let cpus = cpus.map(|cpus| cpus.to_string());
        let all = [
            ("partition", partition),
            ("account", account),
            ("time", time),
            ("cpus-per-task", cpus),
            ("mem", mem),
            ("gpus", gpus),
        ];
        all.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?))).collect()
    }
}

/// A part of the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub index: usize,
    /// How many parts.
    pub count: usize,
}

impl Shard {
    /// Whether the case of this number is in the part.
    pub fn has(self, case: usize) -> bool {
        case % self.count == self.index
    }

    /// The part of this task of a Slurm array, if the process is one.
    pub fn of_slurm() -> Option<Self> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
        let (task, least, count) = (
            number("SLURM_ARRAY_TASK_ID")?,
            number("SLURM_ARRAY_TASK_MIN")?,
            number("SLURM_ARRAY_TASK_COUNT")?,
        );
        let step = number("SLURM_ARRAY_TASK_STEP").unwrap_or(1).max(1);
        let index = task.checked_sub(least)? / step;
        (index < count).then_some(Self { index, count })
    }
}
