//! Several receive coils: their sensitivities, their noise, and images from all of them.

mod birdcage;
mod calibration;
mod espirit;
mod linear;
mod pointwise;
mod sense;

pub use birdcage::birdcage;
pub use calibration::calibration_block;
pub use espirit::{CoilMaps, EspiritSettings, espirit, unexplained};
pub use sense::{PhasedSense, Sense, coil_images, coil_kspace};
