//! `recon sample`: images that a model makes up.

use super::cli::common::RunOptions;
use super::cli::values::count;
use super::session::context::Context;
use super::session::failure::Failure;
use super::session::watched::Watched;
use anyhow::Result;
use candle_core::Tensor;
use clap::{Args, ValueEnum};
use ndarray::{Array2, ArrayD};
use recon::device::DeviceChoice;
use recon::methods::Drawn;
use recon::methods::sampling_end;
use recon::models::{ModelSource, Shown};
use recon::score::{
    Churn, Descent, DormandPrince, Langevin, LevelMethod, Noise, ProbabilityFlow, ReverseDiffusion,
    ReverseProcess, Schedule, ScoreModel, Sde, Stream, Unconditional,
};
use recon_data::atomic::write_bytes;
use recon_data::{Overwrite, check_output, npy};
use recon_pipelines::report::preview::{Panels, Window, montage, png};
use recon_pipelines::{ImageSize, SliceSeed, Watch};
use std::path::PathBuf;

/// Arguments of `recon sample`.
#[derive(Args, Clone, Debug)]
pub struct SampleArgs {
    /// `ct`, `mr`, or a bundle folder
    #[arg(long, value_name = "NAME|PATH")]
    pub model: String,
    /// How many images
    #[arg(long, value_name = "N", value_parser = count, default_value = "1")]
    pub count: usize,
    /// Their size
    #[arg(long, value_name = "ROWSxCOLS", default_value = "256x256")]
    pub size: ImageSize,
    /// How they are drawn
    #[arg(long, value_enum, default_value_t = SampleMethod::Churn)]
    pub method: SampleMethod,
    /// Steps of the sampler; the solver of `ode` chooses its own
    #[arg(long, value_name = "N", value_parser = count)]
    pub steps: Option<usize>,
    /// Seed of the noise
    #[arg(long, value_name = "N", default_value = "0", env = "RECON_SEED")]
    pub seed: u64,
    /// Images x rows x columns, in Hounsfield units for CT models, else in the model's values (.npy); or one
    /// picture of all, side by side (.png)
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
    /// Where the network runs: auto, cpu, cuda or cuda:N
    #[arg(long, default_value_t, env = "RECON_DEVICE")]
    pub device: DeviceChoice,
    #[command(flatten)]
    pub run: RunOptions,
}

/// A sampler; see docs/samplers.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SampleMethod {
    /// Predictor-corrector: reverse diffusion and Langevin
    Pc,
    /// The probability flow, solved adaptively
    Ode,
    /// Heun's method on the probability flow
    Heun,
    /// Heun's method with fresh noise at every level, which corrects errors of the levels before
    Churn,
    /// DPM-Solver++(2M)
    Dpmpp,
}

impl SampleMethod {
    /// Steps unless told otherwise.
    fn steps(self) -> usize {
        match self {
            Self::Pc => 500,
            Self::Ode | Self::Heun => 25,
            Self::Churn => 100,
            Self::Dpmpp => 30,
        }
    }
}

/// Largest side of an image that is made up.
const MAX_SIDE: usize = 4096;

/// What the extension of the output asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Array,
    Picture,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be opened or fails, or the output cannot be written.
pub fn run(args: &SampleArgs) -> Result<()> {
    let overwrite = if args.force { Overwrite::Force } else { Overwrite::Refuse };
    let form = form(args)?;
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
    write(args, form, prior.channels(), values, overwrite)
}

fn form(args: &SampleArgs) -> Result<Form, Failure> {
    match args.output.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => Ok(Form::Array),
        Some("png") => Ok(Form::Picture),
        _ => Err(Failure::Usage(format!("--output {}: give a .npy or .png file", args.output.display()))),
    }
}

/// The image of this number, which does not depend on how many are drawn.
fn draw(drawn: &Drawn, model: &dyn ScoreModel, args: &SampleArgs, index: usize) -> Result<Tensor> {
    let prior = drawn.prior();
    let slice = SliceSeed { seed: args.seed, case: 0, slice: 0 };
    let streams = [Stream { slice, sample: index as u64 }];
    let shape = (prior.channels(), args.size.rows, args.size.cols);
    let mut noise = Noise::with_channels(&streams, shape, prior.device());
    let sde = drawn.process((args.size.rows, args.size.cols));
    let (steps, t_end) = (args.steps.unwrap_or(args.method.steps()), sampling_end(&*sde));
    let mut free = Unconditional;
    let mut on_step = |_| Ok(());
    let level = |method| Descent { levels: levels(&*sde, t_end, steps), method };
    match args.method {
        SampleMethod::Pc => {
            let (predictor, corrector) = (Box::new(ReverseDiffusion), Box::new(Langevin::new(SNR)));
            let sampler = ReverseProcess { sde, predictor, corrector, steps: steps.max(2), t_end };
            sampler.sample(model, &mut free, &mut noise, &mut on_step)
        }
        SampleMethod::Ode => {
            let flow = ProbabilityFlow { sde: &*sde, t_end, solver: DormandPrince::default() };
            let x = flow.decode(model, &sde.sample_prior(&mut noise)?)?.x;
            Ok(flow.moment(t_end).denoise(model, &x)?)
        }
        SampleMethod::Heun => {
            level(LevelMethod::Heun(None)).sample(model, &mut free, &mut noise, &mut on_step)
        }
        SampleMethod::Churn => {
            level(LevelMethod::Heun(Some(CHURN))).sample(model, &mut free, &mut noise, &mut on_step)
        }
        SampleMethod::Dpmpp => {
            level(LevelMethod::DpmPlusPlus).sample(model, &mut free, &mut noise, &mut on_step)
        }
    }
}

/// Signal-to-noise ratio of the corrector, as published for VE.
const SNR: f64 = 0.16;
/// As much fresh noise as a step takes, but for the finest details, which have no later steps to be corrected in.
const CHURN: Churn = Churn { amount: f64::MAX, sigma_min: 0.05, sigma_max: f64::MAX, inflation: 1.0 };
/// Spacing of the noise levels, as published.
const RHO: f64 = 7.0;

/// `steps` levels of the process, then 0.
fn levels(sde: &dyn Sde, t_end: f64, steps: usize) -> Vec<f64> {
    let (sigma_min, sigma_max) = (sde.noise_level(t_end), sde.noise_level(1.0));
    let mut levels = Schedule::Karras { sigma_min, sigma_max, rho: RHO }.levels(steps);
    levels.push(0.0);
    levels
}

fn write(
    args: &SampleArgs,
    form: Form,
    channels: usize,
    values: Vec<f32>,
    overwrite: Overwrite,
) -> Result<()> {
    let (count, ImageSize { rows, cols }) = (args.count, args.size);
    match form {
        Form::Array => {
            let shape =
                if channels == 1 { vec![count, rows, cols] } else { vec![count, channels, rows, cols] };
            npy::write_real(&args.output, ArrayD::from_shape_vec(shape, values)?.view(), overwrite)?;
        }
        Form::Picture => {
            let row = Array2::from_shape_fn((rows, count * cols), |(i, j)| {
                values[(j / cols * rows + i) * cols + j % cols]
            });
            let panels = Panels { truth: None, baseline: None, result: row.view() };
            let picture = montage(&panels, Window::percentiles(&row.view()));
            write_bytes(&args.output, &png(&picture)?, overwrite)?;
        }
    }
    Ok(())
}
