//! The probability flow, and likelihoods along it.

pub(in crate::score) mod bound;
pub(in crate::score) mod density;
pub(in crate::score) mod dormand_prince;
pub(in crate::score) mod latent;
pub(in crate::score) mod likelihood;
pub(in crate::score) mod probability_flow;
pub(in crate::score) mod tableau;

pub use bound::{Bound, LikelihoodBound};
pub use density::{Bounded, Density};
pub use dormand_prince::{DormandPrince, Segment, Solution};
pub use latent::{spherical_interpolation, tempered};
pub use likelihood::{BitsPerDimension, FlowLikelihood, LogLikelihood, dequantized};
pub use probability_flow::{Flowed, ProbabilityFlow};
