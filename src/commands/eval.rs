//! `recon eval`: how good methods are on a folder of images, by a protocol that has a name.

pub(super) mod images;
pub(super) mod measure;
pub(super) mod metal;
mod pictures;
pub mod protocol;
mod record;
mod rows;
mod run;
pub mod setting;
mod summary;
mod thesis;

use super::context::{self, Context};
use super::ct::CtMethod;
use super::failure::Failure;
use super::mar::MarMethod;
use super::mri::MriMethod;
use super::options::{Learned, RunOptions};
use anyhow::Result;
use clap::{Args, ValueEnum};
use protocol::{Outline, Protocol, ProtocolName};
use run::Evaluation;
use setting::Legacy;
use std::path::PathBuf;

/// Arguments of `recon eval`.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// What is measured and what runs on it; docs/evaluation.md has the definitions.
    #[arg(long, value_enum)]
    pub protocol: ProtocolName,
    /// Folder with the images: NIfTI and .npy files, DICOM series in folders of their own. Give people whom no
    /// prior was trained on.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// What to evaluate (default: the protocol's baselines and score).
    #[arg(long, value_enum, value_delimiter = ',')]
    pub method: Vec<EvalMethod>,
    /// Folder for results.csv, summary.json, settings.json and psnr.png; a run that was stopped goes on there
    /// (default: `eval-<protocol>`).
    #[arg(short, long, value_name = "DIR", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// At most N slices in all, spread over the scans.
    #[arg(long, value_name = "N", value_parser = super::values::count, help_heading = "Input")]
    pub limit: Option<usize>,
    /// Add the settings of a published work beside the protocol's own, with its images and metrics, named so in every row
    /// and file.
    #[arg(long, value_enum, help_heading = "Input")]
    pub legacy: Option<Legacy>,
    /// Draw truth, best baseline, result and error of the best, the median and the worst slice of every setting;
    /// takes up to six more reconstructions a setting.
    #[arg(long, help_heading = "Output")]
    pub pictures: bool,
    /// Throw away the results that the folder holds.
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Print every row and the means as one JSON object on stdout.
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Seed of masks, noise and samplers.
    #[arg(long, value_name = "N", default_value_t = 0, env = "RECON_SEED", help_heading = "Run")]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub learned: Learned,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub run: RunOptions,
}

/// The methods of both kinds of protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvalMethod {
    /// CT: filtered back-projection; with metal, without any correction.
    Fbp,
    /// CT: total variation; with metal, without the rays through it.
    FistaTv,
    /// CT with metal: linear interpolation of the rays through it.
    Li,
    /// MRI: zeros where nothing was measured.
    ZeroFilled,
    /// MRI: sparsity in wavelets.
    L1Wavelet,
    /// MRI: total variation.
    Tv,
    /// The learned prior, fitted to the data.
    Score,
    /// The learned prior by predictor-corrector sampling.
    Pc,
}

impl EvalMethod {
    fn ct(self) -> Option<CtMethod> {
        match self {
            Self::Fbp => Some(CtMethod::Fbp),
            Self::FistaTv => Some(CtMethod::FistaTv),
            Self::Score => Some(CtMethod::Score),
            Self::Pc => Some(CtMethod::Pc),
            Self::ZeroFilled | Self::L1Wavelet | Self::Tv | Self::Li => None,
        }
    }

    fn mri(self) -> Option<MriMethod> {
        match self {
            Self::ZeroFilled => Some(MriMethod::ZeroFilled),
            Self::L1Wavelet => Some(MriMethod::L1Wavelet),
            Self::Tv => Some(MriMethod::Tv),
            Self::Score => Some(MriMethod::Score),
            Self::Pc => Some(MriMethod::Pc),
            Self::Fbp | Self::FistaTv | Self::Li => None,
        }
    }

    fn mar(self) -> Option<MarMethod> {
        match self {
            Self::Fbp => Some(MarMethod::Fbp),
            Self::FistaTv => Some(MarMethod::FistaTv),
            Self::Li => Some(MarMethod::Li),
            Self::Score => Some(MarMethod::Score),
            Self::ZeroFilled | Self::L1Wavelet | Self::Tv | Self::Pc => None,
        }
    }
}

impl EvalArgs {
    /// The folder of the results.
    fn folder(&self) -> PathBuf {
        let legacy = self.legacy.map_or_else(String::new, |legacy| format!("-{}", legacy.name()));
        self.output.clone().unwrap_or_else(|| format!("eval-{}{legacy}", self.protocol.name()).into())
    }

    /// The ways to measure.
    ///
    /// # Errors
    /// When the protocol has none of the published work that was asked for.
    fn settings<S, M>(&self, outline: &'static Outline<S, M>) -> Result<Vec<&'static S>, Failure> {
        let legacy = match self.legacy {
            None => &[],
            Some(Legacy::Thesis) => outline.thesis,
        };
        if let Some(work) = self.legacy.filter(|_| legacy.is_empty()) {
            let (work, protocol) = (work.name(), self.protocol.name());
            let message =
                format!("--legacy {work}: there are no such settings for protocol {protocol}; leave it out");
            return Err(Failure::Usage(message));
        }
        Ok(outline.settings.iter().chain(legacy).collect())
    }

    /// The methods to run, each once.
    fn methods<S, M: Copy + PartialEq>(
        &self,
        outline: &Outline<S, M>,
        of: fn(EvalMethod) -> Option<M>,
    ) -> Result<Vec<M>, Failure> {
        let mut methods = Vec::new();
        for &method in &self.method {
            let Some(method) = of(method) else {
                let name = method.to_possible_value().map_or(String::new(), |v| v.get_name().to_owned());
                let protocol = self.protocol.name();
                let message = format!("--method {name}: protocol {protocol} has no such method; see --help");
                return Err(Failure::Usage(message));
            };
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        Ok(if methods.is_empty() { outline.methods.to_vec() } else { methods })
    }
}

/// Runs `recon eval`.
///
/// # Errors
/// When nothing can be evaluated; [`Failure::Cases`] when some scans could not; see [`super::failure`].
pub fn run(args: &EvalArgs) -> Result<()> {
    match args.protocol.protocol() {
        Protocol::Ct(outline) => {
            let methods = args.methods(outline, EvalMethod::ct)?;
            let (settings, context) = (args.settings(outline)?, Context::new(&args.run)?);
            Evaluation::<measure::Ct>::new(args, settings, outline.amount, &methods, &context)?
                .run(outline.slices)
        }
        Protocol::Mri(outline) => {
            let methods = args.methods(outline, EvalMethod::mri)?;
            let (settings, context) = (args.settings(outline)?, Context::new(&args.run)?);
            Evaluation::<measure::Mri>::new(args, settings, outline.amount, &methods, &context)?
                .run(outline.slices)
        }
        Protocol::Mar(outline) => {
            let methods = args.methods(outline, EvalMethod::mar)?;
            let (settings, context) = (args.settings(outline)?, Context::new(&args.run)?);
            Evaluation::<metal::Mar>::new(args, settings, outline.amount, &methods, &context)?
                .run(outline.slices)
        }
    }
}
