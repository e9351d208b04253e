//! Several receive coils: their sensitivities, their noise, and images from all of them.

mod birdcage;
mod calibration;
mod combine;
mod compression;
mod espirit;
mod g_factor;
mod grappa;
mod linear;
mod low_resolution;
mod mix;
mod noise;
mod pointwise;
mod sense;

pub use birdcage::birdcage;
pub use calibration::calibration_block;
pub use combine::{adaptive, adaptive_maps, root_sum_of_squares, sense_combination};
pub use compression::{CoilCompression, GeometricCompression};
pub use espirit::{CoilMaps, EspiritSettings, espirit, unexplained};
pub use g_factor::{g_factor, g_factor_by_replicas};
pub use grappa::{GrappaSettings, grappa};
pub use low_resolution::low_resolution_maps;
pub use noise::NoiseCovariance;
pub use sense::{PhasedSense, Sense, coil_images, coil_kspace};
