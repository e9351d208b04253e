//! Whole cases through the binary.

mod bad_input;
mod batch;
mod bids;
mod cases;
mod cluster;
mod coils;
#[path = "../common/mod.rs"]
mod common;
mod conditional;
mod denoise;
mod elsewhere;
mod evaluation;
mod exact_forms;
mod faults;
mod generation;
mod headers;
mod invariance;
mod limits;
mod model_import;
mod model_score;
mod outputs;
mod pacs;
mod phases;
mod privacy;
mod published_import;
mod recipes;
mod robust;
mod training_resume;
mod tuning;
