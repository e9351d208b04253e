//! The training loop: schedule, limits, log, checkpoints, bundle.

use super::checkpoint::{self, Progress};
use super::dataset::Dataset;
use super::trainer::{Batch, Trainer};
use crate::models::{Dtype, Manifest, Training, Tuned, write_bundle};
use anyhow::{Context, Result};
use candle_core::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Steps over which the learning rate rises from zero.
const WARM_UP: f64 = 200.0;
/// The learning rate never falls below this share of its peak.
const FLOOR: f64 = 0.02;

/// When a training ends; the first limit that is reached counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Total steps.
    pub steps: u64,
    /// Total time, resumed runs included.
    pub time: Option<Duration>,
}

impl Limits {
    /// How much of the training is over, 0 to 1.
    fn spent(&self, progress: &Progress) -> f64 {
        let time = self.time.map_or(0.0, |t| progress.seconds / t.as_secs_f64().max(1e-9));
        (progress.steps as f64 / self.steps.max(1) as f64).max(time)
    }
}

/// Everything that a training run is told.
#[derive(Clone, Debug)]
pub struct TrainSettings {
    /// The bundle folder that is written, with the state and the log in it.
    pub folder: PathBuf,
    /// The card of the bundle; steps and seconds are filled in.
    pub manifest: Manifest,
    /// Largest learning rate.
    pub rate: f64,
    /// Side of the crops; each step takes one of these at random.
    pub crops: Vec<usize>,
    /// Pixels of a batch: the number of crops is this over their area.
    pub pixels: usize,
    /// When to end.
    pub limits: Limits,
    /// Steps between two lines of the log.
    pub log_every: u64,
    /// Time between two checkpoints.
    pub save_every: Duration,
    /// Seed of crops and noise.
    pub seed: u64,
}

impl TrainSettings {
    /// The file that a run resumes from.
    pub fn state_path(&self) -> PathBuf {
        self.folder.join("state.safetensors")
    }

    /// Rises over the warm-up, stays, and falls linearly in the second half.
    fn learning_rate(&self, progress: &Progress) -> f64 {
        let rise = ((progress.steps + 1) as f64 / WARM_UP).min(1.0);
        let fall = (2.0 * (1.0 - self.limits.spent(progress))).clamp(FLOOR, 1.0);
        self.rate * rise * fall
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
    pub loss: f32,
    /// Mean loss since the last line of the log.
    pub mean_loss: f64,
    /// How much of the training is over, 0 to 1.
    pub spent: f64,
}

/// Trains until a limit is reached or `on_step` returns false, then writes state and bundle.
///
/// Every step draws crops and noise from a stream of its own, so a resumed run repeats what an unbroken one
/// does; with a time limit the learning rate depends on the clock.
///
/// # Errors
/// When a tensor operation fails or a file cannot be written.
pub fn train(
    trainer: &mut Trainer,
    data: &Dataset,
    settings: &TrainSettings,
    mut progress: Progress,
    device: &Device,
    on_step: &mut dyn FnMut(&Report) -> bool,
) -> Result<Manifest> {
    std::fs::create_dir_all(&settings.folder)
        .with_context(|| format!("{}: cannot make the folder", settings.folder.display()))?;
    let (start, before) = (Instant::now(), progress.seconds);
    let (mut saved, mut sum, mut count) = (Instant::now(), 0.0, 0);
    while settings.limits.spent(&progress) < 1.0 {
        let batch = draw(data, settings, &progress, trainer, device)?;
        let loss = trainer.step(&batch, settings.learning_rate(&progress))?;
        progress.steps = trainer.steps();
        progress.seconds = before + start.elapsed().as_secs_f64();
        (sum, count) = (sum + f64::from(loss), count + 1);
        let spent = settings.limits.spent(&progress);
        let mean_loss = sum / f64::from(count);
        let report = Report { steps: progress.steps, seconds: progress.seconds, loss, mean_loss, spent };
        if progress.steps.is_multiple_of(settings.log_every) {
            log(&settings.folder.join("log.jsonl"), &report, settings.learning_rate(&progress))?;
            (sum, count) = (0.0, 0);
        }
        if saved.elapsed() > settings.save_every {
            keep(trainer, settings, &progress)?;
            saved = Instant::now();
        }
        if !on_step(&report) {
            break;
        }
    }
    keep(trainer, settings, &progress)
}

fn draw(
    data: &Dataset,
    settings: &TrainSettings,
    progress: &Progress,
    trainer: &Trainer,
    device: &Device,
) -> Result<Batch> {
    let mut rng = ChaCha8Rng::seed_from_u64(progress.seed);
    rng.set_stream(progress.steps);
    let side = settings.crops[rng.random_range(0..settings.crops.len())];
    let count = (settings.pixels / (side * side)).max(1);
    let clean = data.draw(count, side, &mut rng, device)?;
    Ok(Batch::new(clean, trainer.objective(), &mut rng)?)
}

/// Writes the state and the bundle of the averaged weights.
fn keep(trainer: &Trainer, settings: &TrainSettings, progress: &Progress) -> Result<Manifest> {
    checkpoint::save(trainer, progress, &settings.state_path())?;
    let training = Training {
        steps: progress.steps,
        seconds: progress.seconds.round() as u64,
        ..settings.manifest.training.clone()
    };
    // What was tuned for other weights says nothing about these.
    let manifest = Manifest { training, tuned: Tuned::default(), ..settings.manifest.clone() };
    Ok(write_bundle(&settings.folder, &manifest, trainer.average(), Dtype::F16)?)
}

fn log(path: &Path, report: &Report, learning_rate: f64) -> Result<()> {
    let line = serde_json::json!({
        "step": report.steps,
        "seconds": report.seconds,
        "loss": report.mean_loss,
        "learning_rate": learning_rate,
    });
    let written = std::fs::OpenOptions::new().create(true).append(true).open(path);
    written
        .and_then(|mut file| writeln!(file, "{line}"))
        .with_context(|| format!("{}: cannot write the log", path.display()))
}
