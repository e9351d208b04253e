//! One image from pure noise.

use super::SampleArgs;
use anyhow::Result;
use candle_core::Tensor;
use clap::ValueEnum;
use recon::methods::{Drawn, sampling_end};
use recon::score::{
    Churn, Descent, DormandPrince, Langevin, LevelMethod, Noise, ProbabilityFlow, ReverseDiffusion,
    ReverseProcess, Schedule, ScoreModel, Sde, Stream, Unconditional,
};
use recon_pipelines::SliceSeed;

/// A sampler; see docs/samplers.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SampleMethod {
    /// Predictor-corrector: reverse diffusion and Langevin
    Pc,
    /// The probability flow, solved adaptively
    Ode,
    /// Heun's method on the probability flow
    Heun,
    /// Heun's method with fresh noise at every level, which corrects errors made at earlier levels
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

/// The image of this number, which does not depend on how many are drawn.
pub(super) fn draw(drawn: &Drawn, model: &dyn ScoreModel, args: &SampleArgs, index: usize) -> Result<Tensor> {
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
