//! The training loop: limits, log, validation, checkpoints, bundle.

use super::augmentation::Augmentation;
use super::checkpoint::{self, Progress};
use super::crop::Crops;
use super::dataset::Dataset;
use super::learner::{Learner, StepReport};
use super::log::{Line, Log};
use super::schedule::{Limits, Schedule};
use super::validation::Validation;
use crate::models::{Manifest, Prior, Training, Tuned, replace, write_bundle};
use anyhow::{Context, Result};
use candle_core::{Device, bail};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Everything that a training run is told.
#[derive(Clone, Debug)]
pub struct TrainSettings {
    /// The bundle folder that is written, with the state and the log in it.
    pub folder: PathBuf,
    /// The card of the bundle; steps and seconds are filled in.
    pub manifest: Manifest,
    /// The learning rate.
    pub schedule: Schedule,
    /// Which parts of slices the batches are made of.
    pub crops: Crops,
    /// Rows and columns of whole slices are padded to a multiple of this.
    pub multiple: usize,
    /// How slices are varied.
    pub augmentation: Augmentation,
    /// How many batches are averaged to one gradient.
    pub accumulate: usize,
    /// When to end.
    pub limits: Limits,
    /// Steps between two lines of the log.
    pub log_every: u64,
    /// Time between two checkpoints.
    pub save_every: Duration,
    /// Steps between two validations.
    pub validate_every: u64,
}

impl TrainSettings {
    /// The file that a run resumes from.
    pub fn state_path(&self) -> PathBuf {
        self.folder.join("state.safetensors")
    }

    /// What decides about the path of the training, apart from its length, the network and the data.
    pub fn recipe(&self) -> String {
        serde_json::json!({
            "objective": self.manifest.training.objective,
            "schedule": self.schedule,
            "crops": self.crops,
            "augmentation": self.augmentation,
            "accumulate": self.accumulate,
        })
        .to_string()
    }
}

/// What the loop reports after a step.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Steps taken.
    pub steps: u64,
    /// Seconds spent, resumed runs included.
    pub seconds: f64,
    /// Loss of this step.
    pub loss: f64,
    /// Mean loss since the last line of the log.
    pub mean_loss: f64,
    /// Mean PSNR of the validation after this step, if there was one.
    pub psnr: Option<f64>,
    /// How much of the training is over, 0 to 1.
    pub spent: f64,
}

/// Trains until a limit is reached or `on_step` returns false, then writes state and bundle.
///
/// Every step draws crops and noise from a stream of its own, so a resumed run repeats what an unbroken one
/// does, to the bit; with a time limit the learning rate depends on the clock. The log is made to end where
/// `progress` stands. With a `validation` the bundle whose mean PSNR is best is kept in `best/`, and pictures
/// in `samples/`.
///
/// # Errors
/// When a tensor operation fails or a file cannot be written.
pub fn train<L: Learner>(
    learner: &mut L,
    data: &Dataset,
    validation: Option<&Validation>,
    settings: &TrainSettings,
    mut progress: Progress,
    device: &Device,
    on_step: &mut dyn FnMut(&Report) -> bool,
) -> Result<Manifest> {
    make_folder(&settings.folder)?;
    let mut log = Log::open(&settings.folder.join("log.jsonl"), progress.steps)?;
    let (start, before, mut saved) = (Instant::now(), progress.seconds, Instant::now());
    while settings.limits.spent(&progress) < 1.0 {
        let rate = settings.schedule.at(progress.steps, settings.limits.spent(&progress));
        let batch = draw(learner, data, settings, &progress, device)?;
        let found = learner.step(&batch, settings.accumulate, rate)?;
        progress.steps = learner.parameters().steps();
        progress.seconds = before + start.elapsed().as_secs_f64();
        progress.loss_sum += found.loss;
        progress.loss_count += 1;
        let mut report = report(&progress, found.loss, settings.limits.spent(&progress));
        if progress.steps.is_multiple_of(settings.log_every) {
            log.write(&line(&report, found, rate))?;
            (progress.loss_sum, progress.loss_count) = (0.0, 0);
        }
        if let Some(validation) =
            validation.filter(|_| progress.steps.is_multiple_of(settings.validate_every))
        {
            report.psnr = Some(validate(learner, validation, settings, &mut progress, &mut log, device)?);
        }
        if !on_step(&report) {
            break;
        }
        if saved.elapsed() > settings.save_every {
            keep(learner, settings, &progress, &log)?;
            saved = Instant::now();
        }
    }
    keep(learner, settings, &progress, &log)
}

fn report(progress: &Progress, loss: f64, spent: f64) -> Report {
    let mean_loss = progress.loss_sum / progress.loss_count.max(1) as f64;
    Report { steps: progress.steps, seconds: progress.seconds, loss, mean_loss, psnr: None, spent }
}

fn line(report: &Report, found: StepReport, learning_rate: f64) -> Line {
    Line {
        step: report.steps,
        seconds: report.seconds,
        loss: report.mean_loss,
        gradient: found.gradient,
        learning_rate,
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot create the folder", folder.display()))
}

/// The images of a step: those of all its batches at once, so that accumulation changes rounding alone.
fn draw<L: Learner>(
    learner: &L,
    data: &Dataset,
    settings: &TrainSettings,
    progress: &Progress,
    device: &Device,
) -> Result<L::Batch> {
    let mut rng = ChaCha8Rng::seed_from_u64(progress.seed);
    rng.set_stream(progress.steps);
    let (extent, count) = settings.crops.choose(rng.random());
    let kind = (extent, count * settings.accumulate);
    let clean = data.draw(kind, settings.multiple, &settings.augmentation, &mut rng, device)?;
    Ok(learner.draw(clean, &mut rng)?)
}

/// Writes the state and the bundle of the averaged weights.
fn keep<L: Learner>(
    learner: &L,
    settings: &TrainSettings,
    progress: &Progress,
    log: &Log,
) -> Result<Manifest> {
    log.sync()?;
    checkpoint::save(learner.parameters(), progress, &settings.state_path())?;
    bundle(learner, settings, progress, &settings.folder)
}

fn bundle<L: Learner>(
    learner: &L,
    settings: &TrainSettings,
    progress: &Progress,
    folder: &Path,
) -> Result<Manifest> {
    let training = Training {
        steps: progress.steps,
        seconds: progress.seconds.round() as u64,
        ..settings.manifest.training.clone()
    };
    // What was tuned for other weights says nothing about these.
    let manifest = Manifest { training, tuned: Tuned::default(), typical: None, ..settings.manifest.clone() };
    Ok(write_bundle(folder, &manifest, &learner.parameters().bundled(), settings.manifest.weights.dtype)?)
}

/// Measures the averaged weights, draws the picture, and keeps the bundle if it is the best; returns the mean
/// PSNR.
fn validate<L: Learner>(
    learner: &L,
    validation: &Validation,
    settings: &TrainSettings,
    progress: &mut Progress,
    log: &mut Log,
    device: &Device,
) -> Result<f64> {
    let tensors = learner.parameters().bundled();
    let get = |name: &str| match tensors.get(name) {
        Some(tensor) => Ok(tensor.clone()),
        None => bail!("no parameter {name}"),
    };
    let prior = Prior::new(settings.manifest.clone(), device, &get)?;
    let scores = validation.measure(&prior, progress.steps)?;
    let samples = settings.folder.join("samples");
    make_folder(&samples)?;
    let picture = samples.join(format!("step-{:06}.png", progress.steps));
    replace(&picture, &validation.picture(&prior)?)?;
    log.write(&scores)?;
    if progress.best.is_none_or(|best| scores.mean_psnr > best) {
        progress.best = Some(scores.mean_psnr);
        bundle(learner, settings, progress, &settings.folder.join("best"))?;
    }
    Ok(scores.mean_psnr)
}
