//! Samplers of images behind a measurement. Each is one file: what it does, its settings, and their values for every task.

mod annealed;
mod decomposed;
mod decomposed_settings;
mod dps;
mod langevin;
mod predictor_corrector;
mod pseudo_inverse;
mod red_diff;
mod sampler;
mod score_sde;

pub use annealed::Annealed;
pub use decomposed::{Decomposed, NoiseEstimate};
pub use dps::DiffusionPosterior;
pub use langevin::GuidedLangevin;
pub use predictor_corrector::PredictorCorrector;
pub use pseudo_inverse::PseudoInverseGuided;
pub use red_diff::RedDiff;
pub(crate) use sampler::Part;
pub(in crate::score) use sampler::report;
use sampler::{COEFFICIENT, SIGMA_MAX, SIGMA_MIN, T_END, descent, falling};
pub use sampler::{Sampler, Start};
pub use score_sde::NoisyGuidance;
