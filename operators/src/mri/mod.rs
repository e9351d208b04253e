//! Operators and sampling of MRI.

mod fourier;
mod masks;

pub use fourier::{Fourier, PhasedFourier, low_resolution_phase};
pub use masks::{PhaseAxis, Sampling, SamplingPlan};
