//! What happens to a case: measure, reconstruct, compare. Knows no network and no tensor.
//!
//! A [`Case`] turns a scan into one [`recon_operators::Problem`] a slice and gives each to a method that
//! implements [`Reconstruct`]. The classical methods live here; learned ones implement the same trait
//! elsewhere. Methods see problems only, never the image that a retrospective case was simulated from.

mod calibration;
mod case;
pub mod ct;
mod interpolation;
mod iterative;
mod l1_wavelet;
pub mod mar;
pub mod mri;
pub mod plot;
pub mod preview;
mod reconstruct;
pub mod report;
pub mod thesis;
mod tv;
mod zero_filled;

pub use calibration::{Calibration, INTERVAL, calibration};
pub use case::{Case, Observer, Reconstructed, Slice, SliceRecord, cancelled};
pub use interpolation::LinearInterpolation;
pub use l1_wavelet::L1Wavelet;
pub use reconstruct::{
    Direct, Estimate, Map, Progress, Reconstruct, Silent, SliceSeed, Typicality, WithNoise,
};
pub use tv::{Tv, TvFrom};
pub use zero_filled::ZeroFilled;
