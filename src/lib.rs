//! Score-based medical image reconstruction.
pub mod score;
