//! Methods: the seam that all of them implement, and the classical ones.

mod classical;
mod interpolation;
mod iterative;
mod l1_wavelet;
mod reconstruct;
mod spread;
mod tv;
mod zero_filled;

pub use classical::{Acquisition, Classical, Known};
pub use interpolation::LinearInterpolation;
pub use l1_wavelet::L1Wavelet;
pub use reconstruct::{Direct, Estimate, Map, Progress, Quiet, Reconstruct, Silent, SliceSeed, Typicality};
pub use spread::Spread;
pub use tv::{Tv, TvFrom};
pub use zero_filled::ZeroFilled;
