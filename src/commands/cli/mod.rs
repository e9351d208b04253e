//! What commands share of the command line.

pub mod common;
pub mod config;
pub mod settings;
pub mod values;
