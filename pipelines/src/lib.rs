//! What happens to a case: measure, reconstruct, compare. Knows no network and no tensor.

mod reconstruct;

pub use reconstruct::{Direct, Estimate, Progress, Reconstruct, Silent, SliceSeed};
