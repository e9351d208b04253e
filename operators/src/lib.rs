//! Linear measurement operators `y = P(Λ) T x`, their adjoints, and the solvers over them.
//!
//! Everything here works on plain [`ndarray`] arrays: no tensor, no file and no network is known to this
//! crate. Operators are built once, are immutable and can be shared between threads. Adjoints are those of
//! the plain Euclidean inner product, without cell-size weights.
//!
//! Axes are `(row, col)` for images, `(angle, detector)` for sinograms and `(row, col)` for k-space.

mod channels;
mod error;
mod field;
mod fourier;
mod identity;
mod implant;
mod mask;
mod metal;
mod metrics;
mod noise;
mod operator;
mod photons;
mod radon;
mod sampling;
pub mod solvers;
pub mod testing;
mod titanium;
mod wavelet;

pub use channels::ChannelMix;
pub use error::OperatorError;
pub use field::{Field, Scalar};
pub use fourier::{Fourier, PhasedFourier, low_resolution_phase};
pub use identity::Identity;
pub use implant::Implants;
pub use mask::Mask;
pub use metal::{interpolate_trace, metal_trace};
pub use metrics::{MetricPreset, Metrics, compare, compare_in_range, compare_outside};
pub use noise::{DataNoise, Weights};
pub use operator::{LinearOperator, Problem, Transform};
pub use photons::{count_photons, photon_noise};
pub use radon::{Filter, ParallelBeam, Radon, refine_views};
pub use sampling::{PhaseAxis, Sampling, SamplingPlan};
pub use titanium::measure_through_titanium;
pub use wavelet::Wavelet;
