//! What all learned methods share.

use super::SamplerSpec;
use crate::knobs::{COMMON, Info, SAMPLES, SettingError, Table, filled, of};
use recon_pipelines::Task;
use serde::{Deserialize, Serialize};

/// A method with a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Built-in name or folder of the model.
    pub model: String,
    /// Number of posterior samples.
    pub samples: usize,
    /// What is made of them.
    pub estimate: PointEstimate,
    /// How much wider than several samples their standard deviation and quantiles are made.
    pub widen: f64,
    /// How samples are drawn.
    pub sampler: SamplerSpec,
    /// The estimate that several samples are drawn around, for a sampler that starts from one.
    pub around: Option<SamplerSpec>,
}

/// Which image stands for several samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointEstimate {
    /// Their mean: the least squared error.
    #[default]
    Mean,
    /// The first of them: the texture of a single one.
    Sample,
    /// Their voxelwise median.
    Median,
}

/// What is made of several samples, in the words of files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    estimate: PointEstimate,
    widen: f64,
}

impl Several {
    /// What is given about it.
    fn among(given: &Table) -> Table {
        given
            .iter()
            .filter(|(key, _)| ["estimate", "widen"].contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// How much wider than the samples of the default method the posterior is taken to be. The ghosts of regular masks are
/// to some part in all samples of MRI, which their spread does not show; docs/uncertainty.md has what is reached.
fn widening(sampler: &SamplerSpec, task: Task) -> f64 {
    match (sampler, task) {
        (SamplerSpec::Score(_), Task::Mri) => 1.8,
        _ => 1.0,
    }
}

impl Learned {
    /// The method of this kind with what is `given` over the program's settings for a task.
    ///
    /// # Errors
    /// Names a setting that cannot be.
    pub(super) fn new(info: &Info, task: Task, given: &Table) -> Result<Self, SettingError> {
        let is_common = |key: &str| COMMON.iter().any(|knob| knob.key == key);
        let text = |key: &str| given.get(key).and_then(toml::Value::as_str);
        let samples = samples(given);
        let mut own: Table = given.clone();
        let around = own.remove("around");
        own.retain(|key, _| !is_common(key));
        // The defaults of some settings depend on the number of samples.
        let sampler = SamplerSpec::new(info.name, task, &with_samples(own.clone(), samples))?;
        let shared = SamplerSpec::shared_with_estimate(info.name).filter(|_| samples > 1);
        let around = match (around, shared) {
            (Some(toml::Value::Table(point)), Some(_)) => {
                Some(SamplerSpec::new(info.name, task, &with_samples(point, 1))?)
            }
            (None, Some(keys)) => {
                own.retain(|key, _| keys.contains(&key));
                Some(SamplerSpec::new(info.name, task, &with_samples(own, 1))?)
            }
            (None, None) => None,
            _ => {
                return Err(SettingError::new("around", "is a table beside several samples of method score"));
            }
        };
        let defaults = Several { estimate: PointEstimate::default(), widen: widening(&sampler, task) };
        let Several { estimate, widen } = filled(&defaults, &Several::among(given))?;
        let model = text("model").unwrap_or(builtin(task)).to_owned();
        Ok(Self { model, samples, estimate, widen, sampler, around })
    }

    /// The same with so many noise levels; with one sample and one pass if it is a `trial`.
    #[must_use]
    pub fn with_steps(&self, steps: usize, trial: bool) -> Self {
        let mut learned = self.clone();
        learned.sampler = self.sampler.with_steps(steps, trial);
        if trial {
            learned.samples = 1;
        }
        learned
    }

    /// Its settings that are in use, by name.
    pub(super) fn table(&self) -> Table {
        let mut table = self.sampler.table();
        table.insert("model".to_owned(), self.model.clone().into());
        table.insert("samples".to_owned(), (self.samples as i64).into());
        if self.samples > 1 {
            table.extend(of(&Several { estimate: self.estimate, widen: self.widen }));
        }
        if let Some(around) = &self.around {
            table.insert("around".to_owned(), around.table().into());
        }
        table
    }
}

fn with_samples(mut table: Table, samples: usize) -> Table {
    table.insert(SAMPLES.to_owned(), (samples as i64).into());
    table
}

/// How many samples are asked for.
pub(super) fn samples(given: &Table) -> usize {
    let count = given.get(SAMPLES).and_then(toml::Value::as_integer);
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
}

/// The model that ships with the program for a task.
pub(crate) fn builtin(task: Task) -> &'static str {
    match task {
        Task::Ct | Task::Mar => "ct",
        Task::Mri | Task::Denoise => "mr",
    }
}
