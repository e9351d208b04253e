//! Medical image reconstruction from too few measurements, with a learned score prior.
//!
//! This crate holds the score-based stack and the command line. Operators, file formats and the classical
//! pipelines are crates of their own ([`recon_operators`], [`recon_data`], [`recon_pipelines`]), which
//! know nothing of networks.

pub mod device;
pub mod kernels;
pub mod knobs;
pub mod methods;
pub mod models;
pub mod score;
pub mod settings;
pub mod train;
