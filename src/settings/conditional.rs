//! The method with a conditional prior.

use super::Learned;
use super::learned::{builtin, samples};
use crate::knobs::{COMMON, Info, SAMPLES, SamplerSettings, SettingError, Table, filled, of};
use crate::score::{Climb, Decomposed};
use recon_pipelines::Task;

/// A climb with a conditional prior, and what is done about measurements that are not of its family.
#[derive(Clone, Debug, PartialEq)]
pub struct ConditionalSpec {
    /// Built-in name or folder of the model.
    pub model: String,
    /// The climb.
    pub climb: Climb,
    /// The method of other measurements.
    pub fallback: Learned,
}

/// The key of the settings of [`ConditionalSpec::fallback`].
pub(super) const FALLBACK: &str = "fallback";

impl ConditionalSpec {
    /// What there is to know about the method.
    pub const INFO: &'static Info = &<Climb as SamplerSettings>::INFO;
    /// What there is to know about the method of other measurements.
    pub const FALLBACK_INFO: &'static Info = &<Decomposed as SamplerSettings>::INFO;

    /// The method with what is `given` over the program's settings for a task.
    ///
    /// # Errors
    /// Names a setting that cannot be.
    pub(super) fn new(task: Task, given: &Table) -> Result<Self, SettingError> {
        if samples(given) > 1 {
            let message = format!("method {} finds one estimate; leave it out", Self::INFO.name);
            return Err(SettingError::new(SAMPLES, message));
        }
        let fallback = match given.get(FALLBACK) {
            Some(toml::Value::Table(table)) => Learned::new(Self::FALLBACK_INFO, task, table)?,
            None => Learned::new(Self::FALLBACK_INFO, task, &Table::new())?,
            Some(_) => return Err(SettingError::new(FALLBACK, "is a table of settings")),
        };
        let mut own = given.clone();
        own.retain(|key, _| key != FALLBACK && COMMON.iter().all(|knob| knob.key != key));
        let climb = filled(&Climb::defaults(task, given), &own)?;
        climb.check_all()?;
        let model =
            given.get("model").and_then(toml::Value::as_str).map_or_else(|| Self::model(task), str::to_owned);
        Ok(Self { model, climb, fallback })
    }

    /// The same with so many rungs.
    #[must_use]
    pub fn with_steps(&self, steps: usize, trial: bool) -> Self {
        Self { climb: self.climb.with_steps(steps, trial), ..self.clone() }
    }

    /// The model that ships with the program for a task.
    pub fn model(task: Task) -> String {
        format!("{}/conditional", builtin(task))
    }

    /// The largest number of rungs that is of any use for a task.
    pub fn most_steps(task: Task) -> usize {
        <Climb as SamplerSettings>::most_steps(task, false)
    }

    /// Its settings by name.
    pub(super) fn table(&self) -> Table {
        let mut table = of(&self.climb);
        table.insert("model".to_owned(), self.model.clone().into());
        table.insert(FALLBACK.to_owned(), self.fallback.table().into());
        table
    }
}
