//! Operators and sampling of MRI.

mod coils;
mod fourier;
mod least_variation;
mod masks;

pub use coils::{
    CoilMaps, EspiritSettings, PhasedSense, Sense, birdcage, calibration_block, coil_images, coil_kspace,
    espirit, unexplained,
};
pub use fourier::{
    Fourier, LineFilter, PhasedFourier, StackedFourier, low_resolution_phase, phase_misfit, phase_of,
};
pub use least_variation::{VariationSettings, least_variation};
pub use masks::{
    PhaseAxis, Sampling, SamplingPlan, filled_lines, line_distances, mirror_line, mirrored_lines,
    nested_lines,
};
