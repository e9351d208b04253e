//! How good a result is, as far as that can be told.

mod calibration;
mod quality;
pub mod thesis;
mod typical;

pub use calibration::{Calibration, CalibrationSums, INTERVAL};
pub use quality::{Baseline, Comparison, Quality, QualitySums, assess_outside, metric_values};
pub use typical::{remarks, warnings};
