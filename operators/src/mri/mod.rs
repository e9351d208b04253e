//! Operators and sampling of MRI.

mod coils;
mod fourier;
mod least_variation;
mod masks;

pub use coils::{
    CoilCompression, CoilMaps, EspiritSettings, GeometricCompression, GrappaSettings, NoiseCovariance,
    PhasedSense, Sense, adaptive, adaptive_maps, birdcage, calibration_block, coil_images, coil_kspace,
    espirit, g_factor, g_factor_by_replicas, grappa, low_resolution_maps, root_sum_of_squares,
    sense_combination, unexplained,
};
pub use fourier::{
    Fourier, LineFilter, PhasedFourier, StackedFourier, low_resolution_phase, phase_misfit, phase_of,
};
pub use least_variation::{VariationSettings, least_variation};
pub use masks::{
    PhaseAxis, Sampling, SamplingPlan, filled_lines, line_distances, mirror_line, mirrored_lines,
    nested_lines,
};
