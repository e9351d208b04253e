//! What is said about results: the sidecar, pictures and plots.

pub mod plot;
pub mod preview;
mod sidecar;

pub use sidecar::{
    InputRecord, ModelRecord, Report, Status, data_residual, peak_memory_bytes, resident_memory_bytes,
};
