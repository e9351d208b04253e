//! The score-based stack: SDEs, updates, the sampler, consistency with a measurement, and the learned
//! reconstruction methods made of them.
//!
//! Axes of tensors are `[batch, channel, row, col]` with one channel; images of other crates are `(row, col)`
//! arrays and become tensors in [`bridge`] only. Noise is drawn on the host from one stream per image
//! ([`Noise`]) and handed in, so a result depends on the problem and the seed alone.

mod analytic;
mod bound;
pub mod bridge;
mod chain;
mod choice;
mod cholesky;
mod combined;
mod conditional;
mod consistency;
mod corrector;
mod counted;
mod covariance;
mod data_fit;
mod decomposed;
mod decomposed_settings;
mod density;
mod descent;
mod dormand_prince;
mod dpm;
mod dps;
mod flow;
mod guidance;
mod hamiltonian;
mod heun;
mod latent;
mod likelihood;
mod likelihood_gradient;
mod low_rank;
mod measurement;
mod noise;
mod normal;
mod orientation;
mod posterior;
mod predictor;
mod predictor_corrector;
mod pseudo_inverse;
mod red_diff;
mod sampler;
mod schedule;
mod sde;
mod slope;
mod spread;
mod stacked;
mod subspace;
mod tableau;
mod trace;
mod typicality;
mod underdamped;
mod unit;
mod update;
mod variance_exploding;
mod variance_preserving;
mod variances;

use candle_core::{Result, Tensor};
use std::sync::Arc;

pub use analytic::{Gaussian, GaussianMixture, linear_posterior_mean};
pub use bound::{Bound, LikelihoodBound};
pub use chain::{DdpmChain, SmldChain};
pub use choice::{Corrector, Predictor};
pub use combined::Combined;
pub use conditional::Conditional;
pub use consistency::{Consistency, Form, Projection, Unconditional};
pub use corrector::{AnnealedLangevin, Coupling, Langevin};
pub use counted::Counted;
pub use covariance::{Covariance, Probing, TweedieCovariance};
use data_fit::DataFit;
pub use decomposed::Decomposed;
pub use decomposed_settings::{DecomposedSettings, NoiseEstimate};
pub use density::{Bounded, Density};
pub use descent::{Churn, Descent, LevelMethod, LevelSolver};
pub use dormand_prince::{DormandPrince, Segment, Solution};
use dpm::DpmPlusPlus;
pub use dps::{Dps, DpsWeight};
pub use flow::{Flowed, ProbabilityFlow};
pub use guidance::{Guidance, Guided, GuidedDenoiser, GuidedMove, NoisyMeasurement};
pub use hamiltonian::{Acceptance, Hamiltonian};
use heun::Heun;
pub use latent::{spherical_interpolation, tempered};
pub use likelihood::{BitsPerDimension, FlowLikelihood, LogLikelihood, dequantized};
pub use likelihood_gradient::LikelihoodGradient;
pub use low_rank::{LowRank, LowRankCovariance};
pub use measurement::Measurement;
pub use noise::{Noise, Stream};
pub use normal::NormalMixture;
pub use orientation::Orientations;
pub use posterior::{Posterior, PosteriorSampler};
pub use predictor::{Ancestral, EulerMaruyama, ProbabilityFlowEuler, ReverseDiffusion};
pub use predictor_corrector::{PredictorCorrector, PredictorCorrectorSettings};
pub use pseudo_inverse::PseudoInverse;
pub use red_diff::{RedDiff, RedDiffSettings};
pub use sampler::Sampler;
pub use schedule::{Schedule, levels_of_process};
pub use sde::{AncestralStep, Marginal, Sde};
pub use slope::{Autograd, Differentiable, Linearised};
pub use stacked::Stacked;
pub use subspace::{Subspace, square_of};
pub use trace::{Probe, Trace};
pub use typicality::{Trial, Tried};
pub use underdamped::UnderdampedLangevin;
pub use unit::UnitRule;
pub use update::{Moment, NoUpdate, Update};
pub use variance_exploding::Ve;
pub use variance_preserving::{SubVp, Vp};
pub use variances::Variances;

/// The score `∇ₓ log pₜ(x)` of a prior blurred to noise level `std`, for a batch `[b, c, row, col]`.
pub trait ScoreModel: Send + Sync {
    /// `∇ₓ log p(x; std)` for `x = x₀ + std z`.
    ///
    /// # Errors
    /// When the tensor operations behind it fail (device, memory, shape).
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor>;

    /// The posterior mean `E[x₀ | x] = x + std² score(x)` (Tweedie).
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        x + self.score(x, std)?.affine(std * std, 0.0)?
    }
}

impl<M: ScoreModel + ?Sized> ScoreModel for &M {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).denoise(x, std)
    }
}

impl<M: ScoreModel + ?Sized> ScoreModel for Arc<M> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).denoise(x, std)
    }
}
