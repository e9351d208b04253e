//! Linear measurement operators `y = P(Λ) T x`, their adjoints, and the solvers over them.
//!
//! Everything here works on plain [`ndarray`] arrays: no tensor, no file and no network is known to this
//! crate. Operators are built once, are immutable and can be shared between threads. Adjoints are those of
//! the plain Euclidean inner product, without cell-size weights.
//!
//! Axes are `(row, col)` for images, `(angle, detector)` for sinograms and `(row, col)` for k-space.

mod ct;
mod error;
mod field;
mod mask;
mod mri;
mod noise;
mod operator;
mod picture;
mod quality;
pub mod solvers;
pub mod testing;
mod toy;
mod wavelet;

pub use ct::{
    Filter, Implants, ParallelBeam, Radon, count_photons, interpolate_trace, measure_through_titanium,
    metal_trace, photon_noise, refine_views,
};
pub use error::OperatorError;
pub use field::{Field, Scalar};
pub use mask::Mask;
pub use mri::{
    CoilCompression, CoilMaps, EspiritSettings, Fourier, GeometricCompression, GrappaSettings, LineFilter,
    NoiseCovariance, PhaseAxis, PhasedFourier, PhasedSense, Sampling, SamplingPlan, Sense, StackedFourier,
    VariationSettings, adaptive, adaptive_maps, birdcage, calibration_block, coil_images, coil_kspace,
    espirit, filled_lines, g_factor, g_factor_by_replicas, grappa, least_variation, line_distances,
    low_resolution_maps, low_resolution_phase, mirror_line, mirrored_lines, nested_lines, phase_misfit,
    phase_of, root_sum_of_squares, sense_combination, unexplained,
};
pub use noise::{DataNoise, Weights};
pub use operator::{LinearOperator, Problem, Transform};
pub use picture::Picture;
pub use quality::{
    MetricPreset, MetricSums, Metrics, Rank, compare, compare_in_range, compare_outside, quantile,
};
pub use toy::{ChannelMix, Identity};
pub use wavelet::Wavelet;
