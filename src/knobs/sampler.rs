//! What a sampler says about its settings.

use super::{Info, SettingError, Table};
use recon_pipelines::Task;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The settings of a sampler; the struct's fields are named as its knobs.
pub trait SamplerSettings: Clone + Serialize + DeserializeOwned {
    /// What there is to know about the method.
    const INFO: Info;

    /// The program's settings for a task, where these are `given`.
    fn defaults(task: Task, given: &Table) -> Self;

    /// Refuses settings that contradict one another.
    ///
    /// # Errors
    /// Names one of them.
    fn check(&self) -> Result<(), SettingError>;

    /// The same with so many noise levels; with one pass if it is a `trial`.
    #[must_use]
    fn with_steps(&self, steps: usize, trial: bool) -> Self;

    /// How often one image goes through all noise levels.
    fn passes(&self) -> usize {
        1
    }

    /// The largest number of noise levels that is of any use for a task.
    fn most_steps(_task: Task, _several: bool) -> usize {
        1000
    }

    /// Refuses settings out of their ranges, and those that contradict one another.
    ///
    /// # Errors
    /// Names one of them.
    fn check_all(&self) -> Result<(), SettingError> {
        let table = super::of(self);
        for knob in Self::INFO.knobs {
            let Some(value) = table.get(knob.key) else { continue };
            let wrong = |expected| SettingError::new(knob.key, format!("{value}: {expected}"));
            knob.range.checked(value.clone()).map_err(wrong)?;
        }
        self.check()
    }

    /// Whether, set so, it cannot draw where nothing is known of the noise in the data.
    fn needs_noise(&self) -> bool {
        false
    }

    /// Settings that do nothing beside the others.
    fn idle(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a value that was found for one estimate holds for several samples as well.
    fn holds_for_samples(_key: &str) -> bool {
        true
    }

    /// Settings that the point estimate which samples are drawn around takes over; none where samples stand alone.
    fn shared_with_estimate() -> Option<&'static [&'static str]> {
        None
    }
}
