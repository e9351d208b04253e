//! Operators and sampling of MRI.

mod fourier;
mod masks;

pub use fourier::{Fourier, PhasedFourier, StackedFourier, low_resolution_phase, phase_misfit, phase_of};
pub use masks::{PhaseAxis, Sampling, SamplingPlan};
