//! What is said about results: the sidecar, pictures and plots, and about batches of them.

pub mod page;
pub mod plot;
pub mod preview;
mod prometheus;
mod sidecar;
mod summary_tsv;

pub use prometheus::prometheus;
pub use sidecar::{
    Denoising, InputRecord, ModelRecord, Report, Status, data_residual, peak_memory_bytes,
    resident_memory_bytes,
};
pub use summary_tsv::summary_tsv;
