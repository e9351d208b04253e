//! Training of score priors.
//!
//! [`Dataset`] draws varied parts of slices in model units, a [`Learner`] is a network with its objective and takes
//! one step at a time ([`Trainer`] the program's own denoiser, [`ScoreTrainer`] published networks), and [`train`]
//! is the loop with its limits, log, validation and bundle. A run can be killed at any moment and resumed to the
//! same bits.

mod adam;
mod augmentation;
mod checkpoint;
mod concrete;
mod crop;
mod dataset;
mod dequantization;
mod gradient;
mod initial;
mod ladder;
mod learner;
mod log;
pub mod matching;
mod noise_levels;
mod parameters;
mod published;
mod resample;
mod run;
mod schedule;
mod second_order;
mod suggest;
mod times;
mod trainer;
mod validation;

#[cfg(test)]
mod objective_tests;

pub use adam::AdamSettings;
pub use augmentation::Augmentation;
pub use checkpoint::{Progress, load, save};
pub use concrete::Neighbourhood;
pub use crop::{Crop, Crops, Extent};
pub use dataset::Dataset;
pub use dequantization::{DequantizedBound, DequantizerTrainer, DiscreteBound, GreyBatch};
pub use gradient::Gradients;
pub use initial::{initial_parameters, initial_published};
pub use learner::{Learner, StepReport};
pub use log::Line;
pub use noise_levels::{FIRST_TIME, Matching, NoiseLevel, NoiseLevels, Weighting};
pub use parameters::{Descending, Parameters};
pub use published::{Reduction, ScoreBatch, ScoreTrainer};
pub use run::{Report, TrainSettings, train};
pub use schedule::{Course, Limits, Schedule};
pub use second_order::{SecondOrderEstimate, SecondOrderObjective, SecondOrderTrainer};
pub use suggest::{Suggestion, suggest};
pub use times::Times;
pub use trainer::{Batch, Objective, Trainer};
pub use validation::{Band, SIGMAS, Scores, Validation};
