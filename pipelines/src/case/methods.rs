//! Where a description of a method becomes a method.

use crate::report::ModelRecord;
use crate::{Acquisition, Reconstruct, Spread, Task};
use anyhow::Result;
use recon_data::{Derivation, Unit};
use recon_operators::Transform;

/// A method that is ready to run, and what the report says about it.
pub struct Method<T: Transform> {
    /// Its name.
    pub name: &'static str,
    /// The method.
    pub run: Box<dyn Reconstruct<T>>,
    /// The score model behind it.
    pub model: Option<ModelRecord>,
    /// Where it runs.
    pub device: String,
    /// What it knows of the spread of the posterior.
    pub spread: Spread,
    /// How its images come about, for files that say so.
    pub derivation: Derivation,
    /// The least and the largest denoising error of results that its model knows, where that is known.
    pub typical: Option<[f64; 2]>,
}

impl<T: Transform> Method<T> {
    /// A method without a network.
    pub fn classical(name: &'static str, derivation: Derivation, run: Box<dyn Reconstruct<T>>) -> Self {
        Self {
            name,
            run,
            model: None,
            device: "cpu".into(),
            spread: Spread::Unknown,
            derivation,
            typical: None,
        }
    }
}

/// How the steps of a method grow into time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How often the steps are gone through: samples times passes.
    pub runs: usize,
    /// The largest number of steps that is of any use.
    pub most: usize,
}

/// Makes methods of their descriptions.
pub trait Methods<M>: Sync {
    /// The method of a description, for results in `unit`.
    ///
    /// # Errors
    /// When there is no such method for the acquisition, or its model or device is not there.
    fn build<T: Acquisition>(&self, method: &M, task: Task, unit: Unit) -> Result<Method<T>>;

    /// What a result of the method is compared with, on the same data, the strongest last.
    fn baselines<T: Acquisition>(&self, method: &M, task: Task) -> Vec<Method<T>>;

    /// The model that a method takes, as its card names it; none for one without a network.
    ///
    /// # Errors
    /// When the card cannot be read.
    fn model(&self, method: &M, task: Task) -> Result<Option<ModelRecord>>;

    /// What the method knows of the spread of the posterior.
    fn spread(&self, method: &M) -> Spread;

    /// Whether the method can only be given all rays or samples, those through metal among them.
    fn trusts_metal(&self, method: &M) -> bool;

    /// How steps become time; none for a method without noise levels.
    fn pace(&self, method: &M, task: Task) -> Option<Pace>;

    /// The same method with so many steps; with one sample and one pass if it is a `trial`.
    fn with_steps(&self, method: &M, steps: usize, trial: bool) -> M;
}
