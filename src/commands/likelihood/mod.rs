//! `recon likelihood`: how probable images are under a model.

mod answer;
mod images;

use super::cli::common::RunOptions;
use super::cli::values::{count, positive};
use super::session::context::{self, Context};
use super::session::watched::Watched;
use answer::Answer;
use anyhow::Result;
use candle_core::Tensor;
use clap::{Args, ValueEnum};
use recon::device::DeviceChoice;
use recon::methods::{process_of, value_range};
use recon::models::{ModelSource, Prior, open};
use recon::score::{
    Autograd, BitsPerDimension, DormandPrince, FlowLikelihood, LikelihoodBound, Noise, ProbabilityFlow,
    Probe, Sde, Stream, Trace, dequantized,
};
use recon_pipelines::{SliceSeed, Watch};
use std::path::PathBuf;

/// Arguments of `recon likelihood`.
#[derive(Args, Clone, Debug)]
pub struct LikelihoodArgs {
    /// Name of a built-in model (ct, mr), or a bundle folder
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Images: DICOM, NIfTI, or .npy of rows x columns, images x rows x columns, or images x channels x rows x columns;
    /// arrays are in Hounsfield units for CT models, else in the model's values
    #[arg(value_name = "IMAGES")]
    pub images: PathBuf,
    /// Bits of a grey value: the model's range is divided into 2^N grey values
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub bits: u32,
    /// First spread each grey value evenly over its cell
    #[arg(long)]
    pub dequantize: bool,
    /// Number of random directions that measure the divergence; with two or more the standard error is reported
    #[arg(long, value_name = "K", value_parser = count, default_value = "1")]
    pub probes: usize,
    /// The distribution of the directions
    #[arg(long, value_enum, default_value_t = ProbeName::Rademacher)]
    pub probe: ProbeName,
    /// Measure the divergence exactly: takes a gradient for each pixel, so for small images only
    #[arg(long, conflicts_with_all = ["probes", "probe"])]
    pub exact: bool,
    /// Also give a lower bound for the likelihood of the stochastic sampler, from N random times for each image
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub bound: Option<u32>,
    /// Relative and absolute tolerance of the solver
    #[arg(long, value_name = "T", value_parser = positive, default_value = "1e-5")]
    pub tolerance: f64,
    /// Seed of directions, times and noise
    #[arg(long, value_name = "N", default_value = "0", env = "RECON_SEED", hide_env = true)]
    pub seed: u64,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// Where the network runs: auto, cpu, cuda or cuda:N
    #[arg(long, default_value_t, env = "RECON_DEVICE", hide_env = true)]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub run: RunOptions,
}

/// The distribution of random directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeName {
    /// −1 or 1
    Rademacher,
    /// Standard normal
    Gaussian,
}

/// Where time begins for likelihoods, as published.
const T_START: f64 = 1e-5;

/// Runs the command.
///
/// # Errors
/// When the model or the images cannot be read, do not fit, or the solver fails.
pub fn run(args: &LikelihoodArgs) -> Result<()> {
    let context = Context::new(&args.run)?;
    let (device, _) = args.device.open()?;
    let prior = open(&ModelSource::named(&args.model)?, &device)?;
    let images = images::read(&args.images, &prior)?;
    let mut answer = Answer::default();
    let watched = Watched::new(&prior, &context);
    let count = images.dim(0)?;
    let bars = context.bars();
    bars.begin(count);
    for index in 0..count {
        let image = images.narrow(0, index, 1)?.contiguous()?;
        if let Err(error) = add(&mut answer, args, &watched, image, index) {
            bars.end();
            return Err(watched.reason(error));
        }
        bars.slice(index + 1, count);
    }
    bars.end();
    context::print(&if args.json { serde_json::to_string(&answer)? } else { answer.lines() })
}

/// Adds what there is to say about one image. Noise is consumed in the order dequantization, directions, bound.
fn add(
    answer: &mut Answer,
    args: &LikelihoodArgs,
    model: &Watched<'_, Prior>,
    mut x: Tensor,
    index: usize,
) -> Result<()> {
    let prior = model.model;
    let sde = process_of(prior.manifest());
    let slice = SliceSeed { seed: args.seed, case: 0, slice: index as i64 };
    let (_, channels, rows, cols) = x.dims4()?;
    let streams = [Stream { slice, sample: 0 }];
    let mut noise = Noise::with_channels(&streams, (channels, rows, cols), prior.device());
    let grey_step = value_range(prior.manifest()) / f64::from(args.bits).exp2();
    let bits = BitsPerDimension { pixels: x.elem_count(), grey_step };
    if args.dequantize {
        x = dequantized(&x, grey_step, &mut noise)?;
    }
    let found = likelihood(args, &*sde).evaluate(&Autograd(model), &x, &mut noise)?;
    answer.nfe += found.calls;
    answer.bits_per_dim.extend(found.nats.iter().map(|nats| bits.bits(*nats)));
    answer.standard_error.extend(found.standard_error.iter().flatten().map(|nats| bits.spread(*nats)));
    if let Some(times) = args.bound {
        let bound = LikelihoodBound { sde: &*sde, t_end: T_START, times: times as usize };
        let found = bound.evaluate(model, &x, &mut noise)?;
        answer.nfe += found.calls;
        answer.bound.extend(found.nats.iter().map(|nats| bits.bits(-nats)));
        answer.bound_standard_error.extend(found.standard_error.iter().map(|nats| bits.spread(*nats)));
    }
    Ok(())
}

fn likelihood<'a>(args: &LikelihoodArgs, sde: &'a dyn Sde) -> FlowLikelihood<'a> {
    let probe = match args.probe {
        ProbeName::Rademacher => Probe::Rademacher,
        ProbeName::Gaussian => Probe::Gaussian,
    };
    let trace = if args.exact { Trace::Exact } else { Trace::Hutchinson { probe, count: args.probes } };
    let solver = DormandPrince { rtol: args.tolerance, atol: args.tolerance, ..DormandPrince::default() };
    FlowLikelihood { flow: ProbabilityFlow { sde, t_end: T_START, solver }, trace }
}
