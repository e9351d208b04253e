//! `recon train`: learn a prior from volumes.

mod args;
mod card;
mod noise;
mod plan;
mod suggestion;

pub use args::TrainArgs;

use crate::commands::session::context;
use crate::commands::session::failure::Failure;
use crate::commands::session::interrupt::Interrupt;
use anyhow::{Context, Result};
use candle_core::Device;
use indicatif::{ProgressBar, ProgressStyle};
use plan::{Learning, Plan};
use recon::models::ValueMapping;
use recon::train::{Dataset, Learner, Progress, Report, ScoreTrainer, Trainer, Validation, load, train};
use std::path::{Path, PathBuf};

/// Trains and writes the bundle, or prints the suggestion.
///
/// # Errors
/// When the data or a bundle cannot be read, an option is impossible, or a file cannot be written.
pub fn run(args: &TrainArgs) -> Result<()> {
    // Before any thread is started, so that all of them leave the signals to it.
    let interrupt = Interrupt::listen();
    if args.suggestion.suggest {
        return suggestion::run(args);
    }
    let output = args.output.as_ref().context("--output is missing")?;
    let plan = Plan::new(args, output)?;
    let state = plan.settings.state_path();
    if state.exists() && !args.run.resume {
        let shown = output.display();
        let message = format!("{shown}: already holds a training run; add --resume or choose another folder");
        return Err(Failure::Exists(message).into());
    }
    let bar = bar(args.quiet);
    let data = read(&args.data, args, plan.value, &mut told(&bar))?;
    bar.println(format!("{} slices of {} volumes", data.slices(), data.volumes().len()));
    let validation = validation(args, &plan, &bar)?;
    let device = Device::Cpu;
    match &plan.learning {
        Learning::Denoiser { unet, objective } => {
            let trainer = Trainer::new(&unet.size, *objective, plan.descending, &plan.tensors, &device)?;
            run_with(trainer, args, &plan, (&data, validation.as_ref()), &bar, &interrupt)
        }
        Learning::Published { arch, levels, reduction } => {
            let levels = levels.clone();
            let trainer =
                ScoreTrainer::new(arch, levels, *reduction, plan.descending, &plan.tensors, &device)?;
            run_with(trainer, args, &plan, (&data, validation.as_ref()), &bar, &interrupt)
        }
    }
}

fn run_with<L: Learner>(
    mut learner: L,
    args: &TrainArgs,
    plan: &Plan,
    (data, validation): (&Dataset, Option<&Validation>),
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<()> {
    let settings = &plan.settings;
    let progress = start(&mut learner, args, plan, bar)?;
    let first = progress.clone();
    let manifest = train(&mut learner, data, validation, settings, progress, &Device::Cpu, &mut |report| {
        show(bar, report, &first);
        interrupt.signal().is_none()
    })?;
    bar.finish_and_clear();
    context::tell(&format!("wrote {} after {} steps", settings.folder.display(), manifest.training.steps));
    interrupt.signal().map_or(Ok(()), |signal| Err(Failure::Interrupted(signal).into()))
}

/// Where the run begins: at a saved state if it is resumed and there is one.
fn start<L: Learner>(learner: &mut L, args: &TrainArgs, plan: &Plan, bar: &ProgressBar) -> Result<Progress> {
    let (path, recipe) = (plan.settings.state_path(), plan.settings.recipe());
    if !path.exists() {
        return Ok(Progress { seed: args.run.seed, recipe, ..Progress::default() });
    }
    let mut progress = load(learner.parameters_mut(), &path)?;
    if progress.seed != args.run.seed {
        let message =
            format!("{}: the run began with --seed {}; give the same", path.display(), progress.seed);
        return Err(Failure::Usage(message).into());
    }
    if !progress.recipe.is_empty() && progress.recipe != recipe {
        let warn = || {
            context::warn(&format!(
                "continues with another recipe: {recipe}; before it was {}",
                progress.recipe
            ));
        };
        bar.suspend(warn);
    }
    progress.recipe = recipe;
    Ok(progress)
}

/// Shows on the bar which file is being read.
fn told(bar: &ProgressBar) -> impl FnMut(&Path) {
    |path| bar.set_message(format!("reading {}", path.display()))
}

/// The slices of these paths, shrunk if they are to be.
fn read(
    paths: &[PathBuf],
    args: &TrainArgs,
    value: ValueMapping,
    on_file: &mut dyn FnMut(&Path),
) -> Result<Dataset> {
    let data = Dataset::read(paths, value, on_file)?;
    Ok(match args.images.shrink {
        Some(side) => data.shrunk(side.into()),
        None => data,
    })
}

fn validation(args: &TrainArgs, plan: &Plan, bar: &ProgressBar) -> Result<Option<Validation>> {
    if args.validation.validation.is_empty() {
        return Ok(None);
    }
    let data = read(&args.validation.validation, args, plan.value, &mut told(bar))?;
    let validation = Validation::new(&data, plan.settings.multiple, args.run.seed);
    let of = data.slices();
    bar.println(format!(
        "validation on {} of {of} slices of {} volumes",
        validation.slices(),
        data.volumes().len()
    ));
    Ok(Some(validation))
}

/// A bar on stderr that counts thousandths of the limit.
fn bar(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {elapsed} {msg}");
    ProgressBar::new(1000).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(bar: &ProgressBar, report: &Report, first: &Progress) {
    let rate = (report.steps - first.steps) as f64 / (report.seconds - first.seconds).max(1e-9);
    bar.set_position((report.spent * 1000.0) as u64);
    bar.set_message(format!("step {} loss {:.4} {rate:.2} steps/s", report.steps, report.mean_loss));
    if let Some(psnr) = report.psnr {
        bar.println(format!("step {}: validation {psnr:.2} dB", report.steps));
    }
}
