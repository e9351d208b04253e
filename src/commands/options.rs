//! The options that every reconstruction has.

use super::failure::Failure;
use super::target::Target;
use super::values::{SliceRange, below_one, count, duration, fraction, not_negative, positive};
use crate::device::DeviceChoice;
use crate::score::Orientations;
use anyhow::Result;
use clap::{Args, ValueEnum};
use recon_pipelines::Map;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options about input, output and logs, the same for all reconstructions.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Where to write; the extension chooses the kind (default: beside the input, `<stem>_recon.<ext>`).
    #[arg(short, long, value_name = "PATH", env = "RECON_OUTPUT", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Write over existing files.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Write truth, baseline, result and error of the middle slice as a picture.
    #[arg(long, value_name = "FILE.png", help_heading = "Output")]
    pub preview: Option<PathBuf>,
    /// With --samples, write the 5 % and the 95 % quantile of every voxel too.
    #[arg(long, help_heading = "Output")]
    pub quantiles: bool,
    /// Write the part of the image that the measurement does not see, which the method alone put there; its share
    /// goes to the report.
    #[arg(long, help_heading = "Output")]
    pub null_space: bool,
    /// Print the report as one JSON object on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Only show the plan, with every default filled in, as JSON.
    #[arg(long, help_heading = "Output")]
    pub dry_run: bool,
    /// Only these slices, counted from 0, B left out.
    #[arg(long, value_name = "A..B", help_heading = "Input")]
    pub slices: Option<SliceRange>,
    /// An image to compare the result with, of the same shape and unit.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub reference: Option<PathBuf>,
    /// Time for a slice, such as 30s: as many noise levels as fit into it, by a short run that is timed first; how many
    /// came of it is said and reported.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "steps", help_heading = "Run")]
    pub budget: Option<Duration>,
    /// Seed of all random numbers.
    #[arg(long, value_name = "N", default_value_t = 0, env = "RECON_SEED", help_heading = "Run")]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub run: RunOptions,
}

impl Common {
    /// The files for the result of `input` when `samples` are drawn.
    ///
    /// # Errors
    /// When one of them exists or cannot be written.
    pub fn target(&self, output: Option<&Path>, input: &Path, samples: usize) -> Result<Target> {
        if self.quantiles && samples < 2 {
            return Err(
                Failure::Usage("--quantiles: are those of several samples; add --samples K".into()).into()
            );
        }
        let mut maps = Vec::new();
        maps.extend((samples > 1).then_some(Map::Std));
        maps.extend(self.quantiles.then_some([Map::Low, Map::High]).into_iter().flatten());
        maps.extend(self.null_space.then_some(Map::NullSpace));
        Target::plan(output, input, self.force)?.with_maps(&maps)?.with_preview(self.preview.as_deref())
    }
}

/// Options about how to run, for every command that computes.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// Number of threads (default: SLURM_CPUS_PER_TASK, else all cores).
    #[arg(long, value_name = "N", value_parser = count, env = "RECON_THREADS", help_heading = "Run")]
    pub threads: Option<usize>,
    /// Read defaults from this file; flags and RECON_* variables win over it.
    #[arg(long, value_name = "FILE.toml", env = "RECON_CONFIG", help_heading = "Run")]
    pub config: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(short, long, help_heading = "Run")]
    pub quiet: bool,
    /// Say more.
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Run")]
    pub verbose: bool,
}

/// Options of the learned methods; those that a method does not have are refused with it.
#[derive(Args, Clone, Debug)]
pub struct Learned {
    /// A built-in model by name, or a model folder (default: the built-in one for the task).
    #[arg(long, value_name = "NAME|PATH", env = "RECON_MODEL", help_heading = "Learned methods")]
    pub model: Option<String>,
    /// Where the network runs: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value_t, env = "RECON_DEVICE", help_heading = "Learned methods")]
    pub device: DeviceChoice,
    /// Draw K posterior samples; with K > 1 their standard deviation is written too.
    #[arg(long, value_name = "K", value_parser = count, default_value = "1", env = "RECON_SAMPLES", help_heading = "Learned methods")]
    pub samples: usize,
    /// Which image to make of the samples.
    #[arg(long, value_enum, default_value_t = EstimateName::Mean, env = "RECON_ESTIMATE", help_heading = "Learned methods")]
    pub estimate: EstimateName,
    /// Number of noise levels (learned methods) or of iterations (classical ones).
    #[arg(long, value_name = "N", value_parser = count, env = "RECON_STEPS", help_heading = "Learned methods")]
    pub steps: Option<usize>,
    /// Noise level of the start, in model units (score only).
    #[arg(long, value_name = "SIGMA", value_parser = positive, env = "RECON_SIGMA_START", help_heading = "Learned methods")]
    pub sigma_start: Option<f64>,
    /// Noise level of the last network call, in model units (score only).
    #[arg(long, value_name = "SIGMA", value_parser = positive, env = "RECON_SIGMA_END", help_heading = "Learned methods")]
    pub sigma_end: Option<f64>,
    /// How much of the noise is really added, 0 to 1: 0 is the estimate of least error, 1 draws samples
    /// (score only; default: 0 for one sample, else 1).
    #[arg(long, value_parser = fraction, env = "RECON_TEMPERATURE", help_heading = "Learned methods")]
    pub temperature: Option<f64>,
    /// Share of fresh noise in every step, 0 to 1 (score only; nothing at temperature 0).
    #[arg(long, value_parser = fraction, env = "RECON_ETA", help_heading = "Learned methods")]
    pub eta: Option<f64>,
    /// How far a step goes on in the direction of the one before, 0 to below 1 (score only; nothing but at
    /// temperature 0).
    #[arg(long, value_name = "BETA", value_parser = below_one, env = "RECON_MOMENTUM", help_heading = "Learned methods")]
    pub momentum: Option<f64>,
    /// How the network is shown the images of its steps (score only; default: all, but upright for published
    /// architectures, which may have seen upright images alone).
    #[arg(long, value_enum, env = "RECON_ORIENTATIONS", help_heading = "Learned methods")]
    pub orientations: Option<OrientationsName>,
    /// How often the whole way is gone, the image turned otherwise each time; the mean is the result (score only; more
    /// than 1 only at temperature 0).
    #[arg(long, value_name = "N", value_parser = count, env = "RECON_PASSES", help_heading = "Learned methods")]
    pub passes: Option<usize>,
    /// How much wider than the samples their standard deviation and quantiles are made, since what all samples have
    /// wrong does not show in their spread (default: as measured on held-out scans for score, 1 for pc).
    #[arg(long, value_name = "FACTOR", value_parser = positive, env = "RECON_WIDEN", help_heading = "Learned methods")]
    pub widen: Option<f64>,
    /// Weight of the data against the denoised image (score only).
    #[arg(long, value_name = "W", value_parser = positive, env = "RECON_DATA_WEIGHT", help_heading = "Learned methods")]
    pub data_weight: Option<f64>,
    /// Standard deviation of the noise in the data: of line integrals, or of the real and the imaginary part of
    /// k-space; the fit to the data gives way by it (default: as counted with --photons, else none).
    #[arg(long, value_name = "STD", value_parser = not_negative, env = "RECON_NOISE_STD", help_heading = "Learned methods")]
    pub noise_std: Option<f64>,
    /// Conjugate-gradient iterations of every fit to the data (score only).
    #[arg(long, value_name = "N", value_parser = count, env = "RECON_CG_ITERATIONS", help_heading = "Learned methods")]
    pub cg_iterations: Option<usize>,
    /// Signal-to-noise ratio of the Langevin corrector (pc only).
    #[arg(long, value_parser = positive, env = "RECON_SNR", help_heading = "Learned methods")]
    pub snr: Option<f64>,
    /// Weight λ of the measurement in every step, 0 to 1 (pc only).
    #[arg(long, value_parser = fraction, env = "RECON_LAMBDA", help_heading = "Learned methods")]
    pub lambda: Option<f64>,
    /// Weight of total variation (tv methods only).
    #[arg(long, value_name = "W", value_parser = not_negative, help_heading = "Classical methods")]
    pub tv_weight: Option<f64>,
    /// Weight of the wavelet coefficients (l1-wavelet only).
    #[arg(long, value_name = "W", value_parser = not_negative, help_heading = "Classical methods")]
    pub wavelet_weight: Option<f64>,
}

/// Which image is made of several posterior samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EstimateName {
    /// The mean: least squared error.
    Mean,
    /// The first sample.
    Sample,
    /// The voxelwise median.
    Median,
}

/// [`Orientations`] as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrientationsName {
    /// As they are.
    Upright,
    /// Flipped and transposed in turn.
    All,
}

impl From<OrientationsName> for Orientations {
    fn from(name: OrientationsName) -> Self {
        match name {
            OrientationsName::Upright => Self::Upright,
            OrientationsName::All => Self::All,
        }
    }
}

/// The families of methods, which decide the options that make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// One linear or interpolating step.
    Direct,
    /// Total variation.
    Tv,
    /// Sparsity in wavelets.
    Wavelet,
    /// The default learned method.
    Score,
    /// The predictor-corrector sampler.
    PredictorCorrector,
}

impl Family {
    /// Whether a network is behind the method.
    pub fn is_learned(self) -> bool {
        matches!(self, Self::Score | Self::PredictorCorrector)
    }

    /// The options that do nothing with such a method.
    fn idle_options(self) -> Vec<&'static str> {
        let (learned, score) = (self.is_learned(), self == Self::Score);
        let sampler = self == Self::PredictorCorrector;
        let idle = [
            ("--model", !learned),
            ("--samples", !learned),
            ("--estimate", !learned),
            ("--device", !learned),
            ("--steps", self == Self::Direct),
            ("--sigma-start", !score),
            ("--sigma-end", !score),
            ("--temperature", !score),
            ("--eta", !score),
            ("--momentum", !score),
            ("--orientations", !score),
            ("--passes", !score),
            ("--widen", !learned),
            ("--data-weight", !score),
            ("--noise-std", !learned),
            ("--cg-iterations", !score),
            ("--snr", !sampler),
            ("--lambda", !sampler),
            ("--tv-weight", self != Self::Tv),
            ("--wavelet-weight", self != Self::Wavelet),
        ];
        idle.into_iter().filter_map(|(option, idle)| idle.then_some(option)).collect()
    }
}

impl Learned {
    /// Refuses options that would do nothing with a method of this family.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the option.
    pub fn check(&self, family: Family) -> Result<(), Failure> {
        self.check_any(&[family])
    }

    /// Refuses options that would do nothing with any of these families.
    ///
    /// # Errors
    /// [`Failure::Usage`] naming the option.
    pub fn check_any(&self, families: &[Family]) -> Result<(), Failure> {
        let idle: Vec<_> = families.iter().map(|family| family.idle_options()).collect();
        let everywhere = |option: &&str| idle.iter().all(|options| options.contains(option));
        match idle.iter().flatten().find(|option| everywhere(option) && given(option)) {
            Some(option) => Err(Failure::Usage(format!(
                "{option}: does nothing with this --method; leave it out or choose another method"
            ))),
            None => Ok(()),
        }
    }

    /// The same model, device and samples, every other setting by default.
    #[must_use]
    pub fn without_settings(&self) -> Self {
        Self {
            steps: None,
            sigma_start: None,
            sigma_end: None,
            temperature: None,
            momentum: None,
            orientations: None,
            passes: None,
            widen: None,
            eta: None,
            data_weight: None,
            noise_std: None,
            cg_iterations: None,
            snr: None,
            lambda: None,
            tv_weight: None,
            wavelet_weight: None,
            ..self.clone()
        }
    }
}

/// Whether an option stands on the command line itself: environment and config file serve every command,
/// so an option from there may be idle.
pub(super) fn given(option: &str) -> bool {
    let is_option =
        |word: &str| word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    std::env::args().any(|word| is_option(&word))
}
