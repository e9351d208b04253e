//! The score-based stack: SDEs, updates, the sampler, consistency with a measurement, and the learned
//! reconstruction methods made of them.
//!
//! Axes of tensors are `[batch, channel, row, col]`; images of other crates are `(row, col)` arrays, one for each channel,
//! and become tensors in [`bridge`]; a few files of `ladder/`, `exact/` and `uncertainty/` convert numbers on their own.
//! Noise is drawn on the host from one stream per image ([`Noise`]) and handed in, so a result depends on the problem and
//! the seed alone.

pub mod exact;
pub mod flow;
pub mod ladder;
pub mod measure;
pub mod model;
pub mod moves;
pub mod process;
pub mod samplers;
pub(crate) mod tensors;
pub mod uncertainty;

use candle_core::{Result, Tensor};
use std::sync::Arc;

pub use exact::{Gaussian, GaussianMixture, NormalMixture, linear_posterior_mean};
pub use flow::{
    BitsPerDimension, Bound, Bounded, Density, DormandPrince, FlowLikelihood, Flowed, LikelihoodBound,
    LogLikelihood, ProbabilityFlow, Segment, Solution, dequantized, spherical_interpolation, tempered,
};
pub use ladder::{
    CartesianFamily, CartesianRungs, Climb, ConditionalModel, Filling, Flips, Levels, ParallelFamily,
    ParallelRungs, Question, Rungs, Spectrum,
};
pub use measure::bridge;
pub use measure::{
    Bridged, Dps, DpsWeight, Form, Guidance, Guided, GuidedDenoiser, GuidedMove, LikelihoodGradient,
    Measured, NoisyMeasurement, Projection, PseudoInverse, UnitRule, Weighting,
};
pub use model::{
    Autograd, Combined, Counted, Differentiable, Linearised, Orientations, Probe, Stacked, Subspace, Trace,
    square_of,
};
pub use moves::{
    Acceptance, Ancestral, AnnealedLangevin, Churn, Consistency, Corrector, Coupling, Descent, EulerMaruyama,
    Hamiltonian, Langevin, LevelMethod, LevelSolver, NoUpdate, Predictor, ProbabilityFlowEuler,
    ReverseDiffusion, ReverseProcess, Unconditional, UnderdampedLangevin, Update,
};
pub use process::{
    AncestralStep, DdpmChain, Marginal, Moment, Noise, Schedule, Sde, SmldChain, Stream, SubVp, Ve, Vp,
    levels_of_process,
};
pub use samplers::{
    Annealed, Decomposed, DiffusionPosterior, GuidedLangevin, NoiseEstimate, NoisyGuidance,
    PredictorCorrector, PseudoInverseGuided, RedDiff, Sampler, Start,
};
pub use uncertainty::{
    Bayes, Conditional, Covariance, DifferencedCovariance, LowRank, LowRankCovariance, Posterior, Probing,
    TweedieCovariance, Variances,
};

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

    /// `log p(x; std)` of every image of the batch, in nats, whose gradient is the score; none for a model that knows its score
    /// alone, as most networks do. Two values of one model at one level may be compared even where it is known up to a
    /// constant.
    ///
    /// # Errors
    /// As [`ScoreModel::score`].
    fn log_density(&self, _x: &Tensor, _std: f64) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
}

impl<M: ScoreModel + ?Sized> ScoreModel for &M {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).denoise(x, std)
    }
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        (**self).log_density(x, std)
    }
}

impl<M: ScoreModel + ?Sized> ScoreModel for Arc<M> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (**self).denoise(x, std)
    }
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        (**self).log_density(x, std)
    }
}
