//! Score-based medical image reconstruction.
pub mod commands;
pub mod kernels;
pub mod models;
pub mod score;
pub mod train;
