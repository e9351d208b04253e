//! Training of score priors by denoising.
//!
//! [`Dataset`] draws crops in model units, [`Trainer`] takes one step at a time and can be saved and resumed
//! to the same bits, [`train`] is the loop with its time limit, log and bundle.

mod adam;
mod checkpoint;
mod dataset;
mod published;
mod run;
mod trainer;

pub use adam::AdamSettings;
pub use checkpoint::{Progress, load, save};
pub use dataset::Dataset;
pub use published::{Reduction, ScoreBatch, ScoreObjective, ScoreTrainer, StepReport};
pub use run::{Limits, Report, TrainSettings, train};
pub use trainer::{Batch, Objective, Trainer, initial_parameters};
