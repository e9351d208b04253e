//! `recon bids`: the command line that BIDS apps share.

use super::batch::{self, BatchArgs};
use super::cli::common::RunOptions;
use super::cli::values::{count, named};
use super::session::failure::Failure;
use anyhow::Result;
use clap::{Args, ValueEnum};
use recon::device::DeviceChoice;
use recon_pipelines::Task;
use recon_pipelines::batch::{BidsFilter, Entry, Inputs, Plan};
use std::path::{Path, PathBuf};

/// Arguments of `recon bids`.
#[derive(Args, Debug)]
pub struct BidsArgs {
    /// The dataset.
    #[arg(value_name = "BIDS_DIR")]
    pub dataset: PathBuf,
    /// The folder of the derivatives.
    #[arg(value_name = "OUT_DIR")]
    pub output: PathBuf,
    /// Reconstruct images, or only report on those that are done.
    #[arg(value_enum)]
    pub level: Level,
    /// Only these participants, with or without sub-.
    #[arg(long, value_name = "LABEL", num_args = 1..)]
    pub participant_label: Vec<String>,
    /// Only these sessions, with or without ses-.
    #[arg(long, value_name = "LABEL", num_args = 1..)]
    pub session_id: Vec<String>,
    /// Only images that match one of the queries in this file: {"t1w": {"suffix": "T1w", "acquisition": ["a", "b"]}}.
    #[arg(long, value_name = "FILE.json")]
    pub bids_filter_file: Option<PathBuf>,
    /// What to reconstruct.
    #[arg(long, value_parser = named::<Task>(), default_value = "mri")]
    pub task: Task,
    /// Method of reconstruction [default: the usual one of the task].
    #[arg(long, value_name = "NAME")]
    pub method: Option<String>,
    /// Any option of the task's command, such as accel=8.
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub options: Vec<String>,
    /// Number of threads.
    #[arg(long, visible_alias = "nthreads", value_name = "N", value_parser = count)]
    pub n_cpus: Option<usize>,
    /// Memory in MB.
    #[arg(long, value_name = "MB", value_parser = count)]
    pub mem_mb: Option<usize>,
    /// Folder for the records of the batch [default: recon-batch in OUT_DIR].
    #[arg(short, long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Accepted, as by every BIDS app, and without effect: datasets are never validated.
    #[arg(long)]
    pub skip_bids_validation: bool,
    /// Number of retries for a case that fails.
    #[arg(long, value_name = "N", default_value = "1")]
    pub retries: u32,
    /// Only show the cases, with the time and memory that a short trial of each kind predicts.
    #[arg(long)]
    pub dry_run: bool,
    /// Where networks run: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value_t, env = "RECON_DEVICE", hide_env = true)]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub run: RunOptions,
}

/// What a BIDS app does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Reconstruct the images of participants.
    Participant,
    /// Report on all of them.
    Group,
}

/// Runs `recon bids`.
///
/// # Errors
/// See [`super::session::failure`].
pub fn run(args: &BidsArgs, words: &[String]) -> Result<()> {
    if !args.dataset.join("dataset_description.json").is_file() {
        let message = format!(
            "{}: has no dataset_description.json; give the top folder of a BIDS dataset",
            args.dataset.display()
        );
        return Err(Failure::Input(message).into());
    }
    let here = std::env::current_dir()?;
    let (dataset, output) = (here.join(&args.dataset), here.join(&args.output));
    let filter = filter(args)?;
    let options = batch::options(&args.options)?;
    let entry = Entry { input: Inputs::One(dataset.to_string_lossy().into_owned()), ..Entry::default() };
    let plan = Plan {
        task: Some(args.task),
        method: args.method.clone(),
        output_dir: Some(output.clone()),
        output: Some("{bids}.nii.gz".to_owned()),
        options,
        bids: Some(filter),
        entries: vec![entry],
    };
    let records = args.work_dir.as_ref().map_or_else(|| output.join(batch::RECORDS), |work| here.join(work));
    if args.level == Level::Group {
        return batch::report((&plan, &here, &records), args.device);
    }
    if !args.dry_run {
        describe(&output, &args.dataset)?;
    }
    batch::run_plan((&plan, &here, &records), &batch_args(args), words)
}

fn batch_args(args: &BidsArgs) -> BatchArgs {
    let threads = args.n_cpus.or(args.run.threads);
    BatchArgs {
        command: None,
        plan: batch::PlanArgs::default(),
        shard: None,
        // A BIDS app is started again until everything is there.
        resume: true,
        force: false,
        retries: args.retries,
        jobs: None,
        mem: args.mem_mb.map(|megabytes| megabytes as u64 * 1_000_000),
        dry_run: args.dry_run,
        json: false,
        device: args.device,
        run: RunOptions { threads, ..args.run.clone() },
    }
}

fn filter(args: &BidsArgs) -> Result<BidsFilter> {
    let bare = |labels: &[String], prefix: &str| {
        labels.iter().map(|label| label.strip_prefix(prefix).unwrap_or(label).to_owned()).collect()
    };
    let queries = match &args.bids_filter_file {
        Some(path) => read_queries(path)?,
        None => Vec::new(),
    };
    let subjects = bare(&args.participant_label, "sub-");
    Ok(BidsFilter { subjects, sessions: bare(&args.session_id, "ses-"), queries })
}

/// More than any filter has, in bytes.
const MOST_BYTES: u64 = 1 << 20;

fn read_queries(path: &Path) -> Result<Vec<recon_pipelines::batch::BidsQuery>> {
    let wrong = |what: String| {
        Failure::Input(format!(
            "{}: {what}; give queries as {{\"t1w\": {{\"suffix\": \"T1w\"}}}}",
            path.display()
        ))
    };
    let text = recon_data::read_text(path, MOST_BYTES).map_err(|error| wrong(error.to_string()))?;
    let queries: std::collections::BTreeMap<String, _> =
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(queries.into_values().collect())
}

/// Makes the folder of derivatives a dataset of its own, as BIDS asks for.
fn describe(output: &Path, dataset: &Path) -> Result<()> {
    use anyhow::Context as _;
    use recon_data::atomic::write_bytes;
    let failed = || format!("{}: cannot be created; name another folder", output.display());
    std::fs::create_dir_all(output).with_context(failed)?;
    let about = serde_json::json!({
        "Name": "Reconstructions by recon",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "DatasetLinks": { "raw": dataset.to_string_lossy() },
        "GeneratedBy": [{ "Name": "recon", "Version": env!("CARGO_PKG_VERSION") }],
    });
    let force = recon_data::Overwrite::Force;
    write_bytes(&output.join("dataset_description.json"), &serde_json::to_vec_pretty(&about)?, force)?;
    write_bytes(&output.join("README"), README.as_bytes(), force)?;
    // What is written down about the work is no part of the dataset.
    Ok(write_bytes(&output.join(".bidsignore"), b"recon-batch\n", force)?)
}

const README: &str = "Images reconstructed by recon from simulated undersampling of the source dataset; the sidecar of every \
image says how. For research use.\n";
