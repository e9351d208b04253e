//! Conditional priors: networks that are told what was measured, and the climb along a ladder of measurements.
//!
//! [`Climb`] is the same for every family of measurements. What differs stands behind [`Rungs`]: the start, what the
//! network is told at a rung, how wrong the image of a rung usually is, how the measurement is put back, and the image of
//! the next rung.

mod cartesian;
mod climb;
mod family;
mod levels;
mod parallel;
mod settings;
mod spectrum;
mod views;

pub use cartesian::CartesianRungs;
pub use climb::{Climb, ConditionalModel, Filling, Flips, Question, Rungs};
pub use family::{CartesianFamily, ImageKind, LineAxis, LinePattern, VariationStart};
pub use levels::Levels;
pub use parallel::ParallelRungs;
pub use spectrum::Spectrum;
pub use views::{BinWidth, DataFit, ParallelFamily, TvStart, ViewAngles, ViewNoise};
