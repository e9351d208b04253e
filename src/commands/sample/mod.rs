//! `recon sample`: images that a model makes up.

mod draw;
mod output;

use super::cli::common::RunOptions;
use super::cli::values::count;
use super::session::context::Context;
use super::session::failure::Failure;
use super::session::watched::Watched;
use anyhow::Result;
use clap::Args;
use draw::{SampleMethod, draw};
use output::Form;
use recon::device::DeviceChoice;
use recon::methods::Drawn;
use recon::models::{ModelSource, Shown};
use recon_data::{Overwrite, check_output};
use recon_pipelines::{ImageSize, Watch};
use std::path::PathBuf;

/// Arguments of `recon sample`.
#[derive(Args, Clone, Debug)]
pub struct SampleArgs {
    /// Name of a built-in model (ct, mr), or a bundle folder
    #[arg(long, value_name = "NAME|PATH")]
    pub model: String,
    /// Number of images
    #[arg(long, value_name = "N", value_parser = count, default_value = "1")]
    pub count: usize,
    /// Size of the images
    #[arg(long, value_name = "ROWSxCOLS", default_value = "256x256")]
    pub size: ImageSize,
    /// Method of sampling
    #[arg(long, value_enum, default_value_t = SampleMethod::Churn)]
    pub method: SampleMethod,
    /// Steps of the sampler; method ode chooses its own
    #[arg(long, value_name = "N", value_parser = count)]
    pub steps: Option<usize>,
    /// Seed of the noise
    #[arg(long, value_name = "N", default_value = "0", env = "RECON_SEED", hide_env = true)]
    pub seed: u64,
    /// Images x rows x columns, in Hounsfield units for CT models, else in the model's values (.npy); or one
    /// picture of all, side by side (.png)
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
    /// Where the network runs: auto, cpu, cuda or cuda:N
    #[arg(long, default_value_t, env = "RECON_DEVICE", hide_env = true)]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub run: RunOptions,
}

/// Largest side of an image that is made up.
const MAX_SIDE: usize = 4096;

/// Runs the command.
///
/// # Errors
/// When the model cannot be opened or fails, or the output cannot be written.
pub fn run(args: &SampleArgs) -> Result<()> {
    let overwrite = if args.force { Overwrite::Force } else { Overwrite::Refuse };
    let form = Form::of(&args.output)?;
    if args.size.rows.max(args.size.cols) > MAX_SIDE {
        let message = format!("--size {}: images are drawn up to {MAX_SIDE} pixels a side", args.size);
        return Err(Failure::Usage(message).into());
    }
    check_output(&args.output, overwrite)?;
    let context = Context::new(&args.run)?;
    let (device, _) = args.device.open()?;
    let drawn = Drawn::open(&ModelSource::named(&args.model)?, &device)?;
    let prior = drawn.prior();
    if form == Form::Picture && prior.channels() != 1 {
        let message = "a picture has one channel, this model has more; write .npy instead";
        return Err(Failure::Usage(message.to_owned()).into());
    }
    let shown = Shown::of(prior.manifest().value);
    let model = drawn.model();
    let watched = Watched::new(&*model, &context);
    let bars = context.bars();
    bars.begin(args.count);
    let mut values = Vec::new();
    for index in 0..args.count {
        let image = match draw(&drawn, &watched, args, index) {
            Ok(image) => image,
            Err(error) => {
                bars.end();
                return Err(watched.reason(error));
            }
        };
        values.extend(image.flatten_all()?.to_vec1::<f32>()?.into_iter().map(|v| shown.show(v)));
        bars.slice(index + 1, args.count);
    }
    bars.end();
    output::write(args, form, prior.channels(), values, overwrite)
}
