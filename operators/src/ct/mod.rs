//! Operators and physics of CT.

mod implant;
mod photons;
mod radon;
mod titanium;
mod trace;

pub use implant::Implants;
pub use photons::{count_photons, photon_noise};
pub use radon::{Filter, ParallelBeam, Radon, refine_views};
pub use titanium::measure_through_titanium;
pub use trace::{interpolate_trace, metal_trace};
