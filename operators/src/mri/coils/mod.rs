//! Several receive coils: their sensitivities, their noise, and images from all of them.

mod birdcage;
mod linear;
mod sense;

pub use birdcage::birdcage;
pub use sense::{PhasedSense, Sense, coil_images, coil_kspace};
