//! `recon train`: learn a prior from volumes.

use super::failure::Failure;
use super::interrupt::Interrupt;
use crate::models::{
    Architecture, Collection, Dtype, FilmUnet, Manifest, Modality, Training, Tuned, UnetConfig, ValueMapping,
    WeightsCard, read_bundle,
};
use crate::train::{
    Dataset, Limits, Objective, Progress, Report, TrainSettings, Trainer, initial_parameters, load, train,
};
use anyhow::{Result, bail};
use candle_core::{Device, Tensor};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Learn a score prior from CT or MR volumes, on the CPU.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// Volumes to learn from: DICOM, NIfTI or .npy files, DICOM series folders, or folders of files
    #[arg(required = true, value_name = "PATH")]
    pub data: Vec<PathBuf>,
    /// Bundle folder to write; the training state and log.jsonl go there too
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// What the volumes are
    #[arg(long, value_enum)]
    pub modality: ModalityArg,
    /// Stop after this many steps
    #[arg(long, default_value_t = 20_000)]
    pub steps: u64,
    /// Stop after this time in all, for example 40m, 90s or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub time: Option<Duration>,
    /// Start from the weights of this bundle
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["channels", "blocks", "middle", "embedding"])]
    pub init: Option<PathBuf>,
    /// Go on where the run in the output folder ended
    #[arg(long)]
    pub resume: bool,
    /// Channels of each resolution, multiples of 8
    #[arg(long, value_delimiter = ',', default_values_t = [24, 48, 96, 128, 128])]
    pub channels: Vec<usize>,
    /// Residual blocks of each resolution, down and again up
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 2, 2, 1])]
    pub blocks: Vec<usize>,
    /// Residual blocks between the two
    #[arg(long, default_value_t = 3)]
    pub middle: usize,
    /// Length of the noise-level embedding
    #[arg(long, default_value_t = 96)]
    pub embedding: usize,
    /// Sides of the square crops, in pixels; each step takes one
    #[arg(long, value_delimiter = ',', default_values_t = [128, 128, 256])]
    pub crops: Vec<usize>,
    /// Crops of the first size in a batch; other sizes get the same number of pixels
    #[arg(long, default_value_t = 4)]
    pub batch: usize,
    /// Largest learning rate
    #[arg(long, default_value_t = 1e-3)]
    pub rate: f64,
    /// Seed of the first weights, the crops and the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Name on the model card
    #[arg(long, default_value = "custom")]
    pub name: String,
    /// Collection for the model card, as NAME=LICENCE; may be given often
    #[arg(long = "collection", value_name = "NAME=LICENCE", value_parser = parse_collection)]
    pub collections: Vec<Collection>,
    /// No progress bar
    #[arg(short, long)]
    pub quiet: bool,
}

/// [`Modality`] as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModalityArg {
    /// Computed tomography, in HU.
    Ct,
    /// Magnetic resonance, in any unit.
    Mr,
}

/// A duration with a unit: `90s`, `40m`, `2h`; a bare number is seconds.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let factor = match &text[split..] {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unknown unit {unit}; use s, m or h")),
    };
    let number: f64 = text[..split].trim().parse().map_err(|_| format!("{text} is no time such as 40m"))?;
    match Duration::try_from_secs_f64(number * factor) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(format!("{text} is not a time above zero")),
    }
}

fn parse_collection(text: &str) -> Result<Collection, String> {
    let (name, licence) = text.split_once('=').ok_or("write NAME=LICENCE")?;
    Ok(Collection { collection: name.trim().to_owned(), licence: licence.trim().to_owned() })
}

/// Trains and writes the bundle.
///
/// # Errors
/// When the data or a bundle cannot be read, an option is impossible, or a file cannot be written.
pub fn run(args: &TrainArgs) -> Result<()> {
    // Before any thread is started, so that all of them leave the signals to it.
    let interrupt = Interrupt::listen();
    check(args)?;
    let device = Device::Cpu;
    let (settings, objective, parameters) = plan(args)?;
    let (unet, value) = trainable(&settings.manifest)?;
    let state = settings.state_path();
    if state.exists() && !args.resume {
        bail!("{}: holds a training already; add --resume or choose another folder", args.output.display());
    }
    let bar = bar(args.quiet);
    let data = Dataset::read(&args.data, value, &mut |path| {
        bar.set_message(format!("reading {}", path.display()));
    })?;
    let mut trainer = Trainer::new(&unet.size, objective, &parameters, &device)?;
    let progress = if args.resume {
        load(&mut trainer, &state)?
    } else {
        Progress { steps: 0, seconds: 0.0, seed: args.seed }
    };
    bar.println(format!("{} slices of {} volumes", data.slices(), data.volumes()));
    let first = progress.clone();
    let manifest = train(&mut trainer, &data, &settings, progress, &device, &mut |report| {
        show(&bar, report, &first);
        interrupt.signal().is_none()
    })?;
    bar.finish_and_clear();
    eprintln!("wrote {} after {} steps", args.output.display(), manifest.training.steps);
    interrupt.signal().map_or(Ok(()), |signal| Err(Failure::Interrupted(signal).into()))
}

fn check(args: &TrainArgs) -> Result<()> {
    if args.crops.is_empty() || args.crops.iter().any(|c| !(16..=4096).contains(c)) {
        bail!("--crops: sides must lie in 16..=4096");
    }
    if !(1..=1024).contains(&args.batch) {
        bail!("--batch must lie in 1..=1024");
    }
    if !(args.rate.is_finite() && args.rate > 0.0) {
        bail!("--rate must be positive");
    }
    Ok(())
}

/// The settings, the loss and the first parameters that the arguments ask for.
fn plan(args: &TrainArgs) -> Result<(TrainSettings, Objective, BTreeMap<String, Tensor>)> {
    let objective = Objective::default();
    let (manifest, parameters) = match &args.init {
        Some(bundle) => {
            let (mut manifest, parameters) = read_bundle(bundle)?;
            if manifest.modality != Some(modality(args)) {
                let found = manifest.modality;
                bail!("{}: is a prior of {found:?}; give the --modality that it has", bundle.display());
            }
            manifest.training.data.extend(args.collections.iter().cloned());
            manifest.name.clone_from(&args.name);
            (manifest, parameters)
        }
        None => {
            let manifest = fresh_card(args, &objective);
            let size = &trainable(&manifest)?.0.size;
            if let Some(problem) = size.problem() {
                bail!("--channels and --embedding: {problem}");
            }
            let parameters = initial_parameters(size, args.seed)?;
            (manifest, parameters)
        }
    };
    let (unet, _) = trainable(&manifest)?;
    let multiple = unet.size.multiple();
    if let Some(side) = args.crops.iter().find(|c| !c.is_multiple_of(multiple)) {
        bail!("--crops: {side} is not a multiple of {multiple}, which this network needs");
    }
    let objective = Objective { sigma_data: unet.sigma_data, ..objective };
    let settings = TrainSettings {
        folder: args.output.clone(),
        manifest,
        rate: args.rate,
        crops: args.crops.clone(),
        pixels: args.batch * args.crops[0] * args.crops[0],
        limits: Limits { steps: args.steps, time: args.time },
        log_every: 50,
        save_every: Duration::from_secs(120),
        seed: args.seed,
    };
    Ok((settings, objective, parameters))
}

/// The network and the value mapping of a card that this command can train.
fn trainable(manifest: &Manifest) -> Result<(&FilmUnet, ValueMapping)> {
    match (manifest.film_unet(), manifest.value) {
        (Some(unet), Some(value)) => Ok((unet, value)),
        _ => bail!("{}: only the program's own networks can be trained further", manifest.name),
    }
}

fn modality(args: &TrainArgs) -> Modality {
    match args.modality {
        ModalityArg::Ct => Modality::Ct,
        ModalityArg::Mr => Modality::Mr,
    }
}

/// The card of a network that starts from random weights.
fn fresh_card(args: &TrainArgs, objective: &Objective) -> Manifest {
    let value = match args.modality {
        ModalityArg::Ct => {
            ValueMapping::Hounsfield { offset_hu: 1000.0, scale_hu: 2000.0, unit_attenuation: 0.0384 }
        }
        ModalityArg::Mr => ValueMapping::Percentile { percentile: 99.5 },
    };
    Manifest {
        name: args.name.clone(),
        version: "1".to_owned(),
        modality: Some(modality(args)),
        summary: "trained with recon train".to_owned(),
        architecture: Architecture::FilmUnet(FilmUnet {
            size: UnetConfig {
                channels: args.channels.clone(),
                blocks: args.blocks.clone(),
                middle: args.middle,
                embedding: args.embedding,
                frequencies: 16,
            },
            sigma_data: objective.sigma_data,
            // Three spreads about the median hold 99.7 % of the noise levels.
            sigma_min: objective.sigma_median * (-3.0 * objective.sigma_spread).exp(),
            sigma_max: objective.sigma_median * (3.0 * objective.sigma_spread).exp(),
        }),
        value: Some(value),
        training: Training {
            steps: 0,
            seconds: 0,
            objective: format!(
                "EDM denoising, ln sigma ~ N(ln {}, {})",
                objective.sigma_median, objective.sigma_spread
            ),
            how: format!("recon train, Adam {}, crops {:?}, batch {}", args.rate, args.crops, args.batch),
            data: args.collections.clone(),
        },
        tuned: Tuned::default(),
        weights: WeightsCard { sha256: String::new(), dtype: Dtype::F16, parameters: 0 },
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("40m"), Ok(Duration::from_secs(2400)));
        assert_eq!(parse_time("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_time("90"), Ok(Duration::from_secs(90)));
        for bad in ["", "m", "-3s", "3d", "nan", "0s", "1e30h"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
