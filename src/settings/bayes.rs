//! The method that denoises by Bayes' rule.

use super::learned::samples;
use crate::knobs::{COMMON, Info, SAMPLES, SamplerSettings, SettingError, Table, filled, of};
use crate::score::Bayes;
use recon_pipelines::Task;

/// The posterior mean of an image under a prior.
#[derive(Clone, Debug, PartialEq)]
pub struct BayesSpec {
    /// Built-in name or folder of the model, or [`BayesSpec::AUTO`].
    pub model: String,
    /// How the posterior is found.
    pub bayes: Bayes,
}

impl BayesSpec {
    /// What there is to know about the method.
    pub const INFO: &'static Info = &<Bayes as SamplerSettings>::INFO;
    /// The name of the prior that ships with the program for what made the images, which their files may say.
    pub const AUTO: &'static str = "auto";

    /// The method with what is `given` over the program's settings for a task.
    ///
    /// # Errors
    /// Names a setting that cannot be.
    pub(super) fn new(task: Task, given: &Table) -> Result<Self, SettingError> {
        let idle = ["estimate", "widen"].into_iter().find(|key| given.contains_key(*key));
        if let Some(key) = idle.or((samples(given) > 1).then_some(SAMPLES)) {
            let message = format!("method {} draws no samples; leave it out", Self::INFO.name);
            return Err(SettingError::new(key, message));
        }
        let mut own = given.clone();
        own.retain(|key, _| COMMON.iter().all(|knob| knob.key != key));
        let bayes = filled(&Bayes::defaults(task, given), &own)?;
        bayes.check_all()?;
        let model = given.get("model").and_then(toml::Value::as_str).unwrap_or(Self::AUTO).to_owned();
        Ok(Self { model, bayes })
    }

    /// Its settings by name.
    pub(super) fn table(&self) -> Table {
        let mut table = of(&self.bayes);
        table.insert("model".to_owned(), self.model.clone().into());
        table
    }
}
