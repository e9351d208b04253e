//! A measurement as tensors see it: how images are compared with data and pulled towards them.

pub mod bridge;
mod bridged;
mod consistency;
mod dps;
mod guidance;
mod likelihood_gradient;
mod measured;
mod pseudo_inverse;
mod unit;

pub use bridged::Bridged;
pub use consistency::Projection;
pub use dps::{Dps, DpsWeight};
pub use guidance::{Guidance, Guided, GuidedDenoiser, GuidedMove, NoisyMeasurement};
pub use likelihood_gradient::LikelihoodGradient;
pub use measured::{Form, Measured, Weighting};
pub use pseudo_inverse::PseudoInverse;
pub use unit::UnitRule;
