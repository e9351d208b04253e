//! The arguments of `recon train`.

use super::noise::{NoiseChoice, parse_noise};
use crate::commands::cli::values::duration;
use clap::{Args, ValueEnum};
use recon::models::{Collection, Modality};
use recon::train::{Crop, Matching, Reduction, Weighting};
use std::path::PathBuf;
use std::time::Duration;

/// Learn a score prior from CT or MR volumes, on the CPU.
///
/// A run that was killed continues with the same command and --resume, and gives the same bits.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// Volumes to learn from: DICOM, NIfTI or .npy files, DICOM series folders, or folders of files
    #[arg(required = true, value_name = "PATH")]
    pub data: Vec<PathBuf>,
    /// What the volumes are
    #[arg(long, value_enum)]
    pub modality: ModalityArg,
    /// Bundle folder to write; the training state and log.jsonl go there too
    #[arg(short, long, value_name = "DIR", required_unless_present = "suggest")]
    pub output: Option<PathBuf>,
    /// Name on the model card
    #[arg(long, default_value = "custom")]
    pub name: String,
    /// Collection for the model card, as NAME=LICENCE; may be repeated
    #[arg(long = "collection", value_name = "NAME=LICENCE", value_parser = parse_collection)]
    pub collections: Vec<Collection>,
    /// No progress bar
    #[arg(short, long)]
    pub quiet: bool,
    /// How long, and from where.
    #[command(flatten)]
    pub run: RunArgs,
    /// The network.
    #[command(flatten)]
    pub network: NetworkArgs,
    /// The loss.
    #[command(flatten)]
    pub objective: ObjectiveArgs,
    /// The batches.
    #[command(flatten)]
    pub images: ImageArgs,
    /// The optimiser.
    #[command(flatten)]
    pub optimiser: OptimiserArgs,
    /// Held-out data.
    #[command(flatten)]
    pub validation: ValidationArgs,
    /// Suggested noise levels, printed instead of training.
    #[command(flatten)]
    pub suggestion: SuggestionArgs,
}

/// How long, and from where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Length and resumption")]
pub struct RunArgs {
    /// Stop after this many steps
    #[arg(long, default_value_t = 20_000)]
    pub steps: u64,
    /// Stop after this time in all, for example 40m, 90s or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub time: Option<Duration>,
    /// Continue the run in the output folder; start one if there is none
    #[arg(long)]
    pub resume: bool,
    /// Time between two saved states
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    pub save_every: Duration,
    /// Steps between two lines of the log
    #[arg(long, value_name = "STEPS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub log_every: u64,
    /// Seed of the first weights, the crops and the noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// The network.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Channels at each resolution, multiples of 8
    #[arg(long, value_delimiter = ',', default_values_t = [24, 48, 96, 128, 128])]
    pub channels: Vec<usize>,
    /// Residual blocks at each resolution, on the way down and again on the way up
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 2, 2, 1])]
    pub blocks: Vec<usize>,
    /// Residual blocks in the middle, at the lowest resolution
    #[arg(long, default_value_t = 3)]
    pub middle: usize,
    /// Length of the noise-level embedding
    #[arg(long, default_value_t = 96)]
    pub embedding: usize,
    /// Train a published architecture instead (docs/networks.md)
    #[arg(long, value_name = "ARCH.toml", conflicts_with_all = ["channels", "blocks", "middle", "embedding"])]
    pub arch: Option<PathBuf>,
    /// Start from the weights of this bundle, of the program's own or a published architecture
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["arch", "channels", "blocks", "middle", "embedding"])]
    pub init: Option<PathBuf>,
}

/// The loss.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Objective")]
pub struct ObjectiveArgs {
    /// What the network learns [default: denoiser; for a published architecture what its table sde says]
    #[arg(long, value_enum)]
    pub objective: Option<ObjectiveName>,
    /// Weight times by likelihood, λ = g² (ve, vp, sub-vp) [without TIMES: importance]
    #[arg(long, value_enum, value_name = "TIMES", num_args = 0..=1, require_equals = true, default_missing_value = "importance")]
    pub likelihood_weighting: Option<LikelihoodName>,
    /// Noise levels of the denoiser: ln σ is normal about ln MEDIAN, in model units, with this spread
    /// [default: 0.1:1.4]
    #[arg(long, value_name = "MEDIAN:SPREAD", value_parser = parse_noise)]
    pub noise: Option<NoiseChoice>,
    /// How the squared errors of an image are combined [default: half-sum for ve and smld, else mean]
    #[arg(long, value_enum)]
    pub reduction: Option<ReductionName>,
}

/// The batches.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Images")]
pub struct ImageArgs {
    /// Kinds of batches, as SIDE, SIDExCOUNT or SIDExCOUNT:SHARE, with SIDE in pixels or `whole`; each step takes one
    /// [default: ct 128x4:60,256x1:30,96x8:10; mr 192x2:60,256x1:20,128x4:20; else the size of ARCH.toml]
    #[arg(long, value_delimiter = ',', value_name = "CROP")]
    pub crops: Vec<Crop>,
    /// Crops of the first size in a batch; other sizes without COUNT get the same number of pixels
    #[arg(long, default_value_t = 4)]
    pub batch: usize,
    /// Batches whose mean gradient makes a step; only one is in memory at a time
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub accumulate: usize,
    /// Shrink whole slices until their longer side has this many pixels, and centre them, upright, in a square: for
    /// the model of strong noise in a bundle's folder `coarse`
    #[arg(long, value_name = "SIDE", value_parser = clap::value_parser!(u16).range(16..=1024))]
    pub shrink: Option<u16>,
    /// Slices as they are: no flips, rotations or changes of resolution and gain
    #[arg(long)]
    pub no_augmentation: bool,
}

/// The optimiser.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Optimiser")]
pub struct OptimiserArgs {
    /// Largest learning rate [default: 1e-3; 2e-4 for published architectures]
    #[arg(long)]
    pub rate: Option<f64>,
    /// Steps over which the learning rate grows [default: 200; 5000 for published architectures]
    #[arg(long, value_name = "STEPS")]
    pub warm_up: Option<u64>,
    /// Share of the moving average of the weights that a step keeps [default: 0.9995; ve, smld 0.999; vp, sub-vp, ddpm 0.9999]
    #[arg(long, value_name = "SHARE")]
    pub average: Option<f64>,
    /// Clip gradients to this length
    #[arg(long, value_name = "LENGTH", default_value_t = 1.0)]
    pub clip: f64,
}

/// Held-out data.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Validation")]
pub struct ValidationArgs {
    /// Volumes of other people, to validate the denoiser on
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub validation: Vec<PathBuf>,
    /// Steps between two validations
    #[arg(long, value_name = "STEPS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub validate_every: u64,
}

/// Suggested noise levels, printed instead of training.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Suggestion")]
pub struct SuggestionArgs {
    /// Train nothing: print noise levels and step size for annealed Langevin sampling (NCSNv2's techniques)
    #[arg(long)]
    pub suggest: bool,
    /// Langevin steps at each level, for which the step size is suggested
    #[arg(long, value_name = "T", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000), requires = "suggest")]
    pub langevin_steps: u32,
    /// Print JSON
    #[arg(long, requires = "suggest")]
    pub json: bool,
}

/// [`Modality`] as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModalityArg {
    /// Computed tomography, in HU.
    Ct,
    /// Magnetic resonance, in any unit.
    Mr,
}

impl From<ModalityArg> for Modality {
    fn from(modality: ModalityArg) -> Self {
        match modality {
            ModalityArg::Ct => Self::Ct,
            ModalityArg::Mr => Self::Mr,
        }
    }
}

/// What a network learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ObjectiveName {
    /// Denoising of the program's own network (Karras et al. 2022)
    Denoiser,
    /// Score matching, variance exploding (Song et al. 2021)
    Ve,
    /// Score matching, variance preserving
    Vp,
    /// Score matching, variance preserving with less noise
    SubVp,
    /// Score matching at listed noise levels (Song and Ermon 2019)
    Smld,
    /// Prediction of the noise of a chain (Ho et al. 2020)
    Ddpm,
}

impl ObjectiveName {
    /// The objective of a published network; none for the denoiser.
    pub fn matching(self) -> Option<Matching> {
        match self {
            Self::Denoiser => None,
            Self::Ve => Some(Matching::Ve),
            Self::Vp => Some(Matching::Vp),
            Self::SubVp => Some(Matching::SubVp),
            Self::Smld => Some(Matching::Smld),
            Self::Ddpm => Some(Matching::Ddpm),
        }
    }
}

/// How times are drawn that are weighted by likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LikelihoodName {
    /// With density ∝ g²/s², for less scatter (Song et al. 2021b)
    Importance,
    /// Uniformly, as the public code of Song et al. 2021
    Uniform,
}

impl From<LikelihoodName> for Weighting {
    fn from(name: LikelihoodName) -> Self {
        match name {
            LikelihoodName::Importance => Self::LikelihoodImportance,
            LikelihoodName::Uniform => Self::Likelihood,
        }
    }
}

/// [`Reduction`] as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReductionName {
    /// Their mean (upstream: reduce_mean = true)
    Mean,
    /// Half their sum
    HalfSum,
}

impl From<ReductionName> for Reduction {
    fn from(name: ReductionName) -> Self {
        match name {
            ReductionName::Mean => Self::Mean,
            ReductionName::HalfSum => Self::HalfSum,
        }
    }
}

fn parse_collection(text: &str) -> Result<Collection, String> {
    let (name, licence) = text.split_once('=').ok_or("write NAME=LICENCE")?;
    Ok(Collection { collection: name.trim().to_owned(), licence: licence.trim().to_owned() })
}
