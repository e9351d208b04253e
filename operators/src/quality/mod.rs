//! Numbers that describe images.

mod metrics;
mod quantile;

pub use metrics::{MetricPreset, MetricSums, Metrics, compare, compare_in_range, compare_outside};
pub use quantile::{Rank, quantile};
