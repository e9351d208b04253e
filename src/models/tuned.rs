//! Settings that were found for a network, as they stand in its card: the tables `[tuned.<task>.<method>]`.

use crate::knobs::Table;
use crate::settings::{Entry, MethodSpec, MethodTable, Origin, Value, find};
use recon_data::Modality;
use recon_pipelines::Task;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings by task and method; empty where nobody has tuned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tuned(BTreeMap<Task, BTreeMap<String, TunedMethod>>);

/// Settings of a method: what is missing is as the program has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TunedMethod {
    /// The settings by name, in snake case as everything on a card.
    #[serde(flatten)]
    pub settings: Table,
    /// Where the settings come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// On what settings were found and how good they are there. For people: nothing is computed from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The protocol of the evaluation.
    pub protocol: String,
    /// How many measured slices.
    pub slices: usize,
    /// How many settings were tried.
    pub trials: usize,
    /// Seed of the search, the masks and the noise.
    pub seed: u64,
    /// Mean PSNR with these settings, dB.
    pub psnr: f64,
    /// Mean PSNR with the program's own settings on the same slices, dB.
    pub psnr_before: f64,
}

impl Tuned {
    /// Whether there are no settings.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts settings of a method for a task.
    pub fn put(&mut self, task: Task, method: &str, settings: TunedMethod) {
        self.0.entry(task).or_default().insert(method.to_owned(), settings);
    }

    /// The settings of a method for a task.
    pub fn get(&self, task: Task, method: &str) -> Option<&TunedMethod> {
        self.0.get(&task)?.get(method)
    }

    /// Task, method and settings of each.
    pub fn iter(&self) -> impl Iterator<Item = (Task, &str, &TunedMethod)> {
        self.0.iter().flat_map(|(task, methods)| {
            methods.iter().map(move |(name, settings)| (*task, name.as_str(), settings))
        })
    }

    /// What the card of `model` says about a method for a task.
    pub fn entries(&self, task: Task, method: &str, model: &str) -> Vec<Entry> {
        let settings = self.get(task, method).map(|tuned| tuned.settings.iter());
        let entry = |(key, value): (&String, &toml::Value)| Entry {
            method: None,
            key: key.replace('_', "-"),
            value: Value::Typed(value.clone()),
            origin: Origin::Card(format!("model {model}: tuned.{task}.{method}.{key}")),
        };
        settings.into_iter().flatten().map(entry).collect()
    }

    /// What is wrong with the settings of a network for `modality`, if anything.
    pub(super) fn problem(&self, modality: Option<Modality>) -> Option<String> {
        self.iter().find_map(|(task, method, tuned)| {
            tuned.problem(task, method, modality).map(|what| format!("tuned.{task}.{method}: {what}"))
        })
    }
}

impl TunedMethod {
    fn problem(&self, task: Task, method: &str, modality: Option<Modality>) -> Option<String> {
        if task == Task::Denoise {
            return Some("there are no settings to be found for it".to_owned());
        }
        let needed = if task == Task::Mri { Modality::Mr } else { Modality::Ct };
        if modality != Some(needed) {
            return Some("the network knows another kind of image".to_owned());
        }
        let Some(info) = find(method).filter(|info| info.learned) else {
            return Some("there is no such learned method".to_owned());
        };
        let own = |key: &str| info.knobs.iter().any(|knob| knob.key == key);
        let mut table = Table::from_iter([("name".to_owned(), method.into())]);
        for (key, value) in &self.settings {
            if !own(&key.replace('_', "-")) {
                return Some(format!("{key} is not a setting of it"));
            }
            table.insert(key.replace('_', "-"), value.clone());
        }
        let wrong = MethodSpec::of_table(task, &MethodTable(table)).err();
        let wrong = wrong.map(|error| format!("{}: {}", error.key.replace('-', "_"), error.message));
        wrong.or_else(|| self.found.as_ref().and_then(Found::problem))
    }
}

impl Found {
    fn problem(&self) -> Option<String> {
        let finite = self.psnr.is_finite() && self.psnr_before.is_finite();
        (!finite).then(|| "found: psnr and psnr_before must be finite".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;
    use recon_pipelines::Task;

    fn card(tables: &str) -> Result<Manifest, String> {
        let text = format!("{}\n{tables}", recon_data::weights::CT.manifest);
        let card: Manifest = toml::from_str(&text).map_err(|error| error.to_string())?;
        card.problem().map_or(Ok(card), Err)
    }

    #[test]
    fn settings_survive_a_round_trip() {
        let text = "[tuned.ct.score]\nsteps = 9\nsigma_start = 0.4\nsigma_end = 0.004\n\
                    [tuned.ct.score.found]\nprotocol = \"ct-23\"\nslices = 4\ntrials = 50\nseed = 0\n\
                    psnr = 31.5\npsnr_before = 31.0\n[tuned.ct.pc]\nsnr = 0.3\n[tuned.mar.score]\neta = 0.5";
        let first = card(text).expect("good");
        let score = first.tuned.get(Task::Ct, "score").expect("there");
        let settings = &score.settings;
        assert_eq!(
            (settings["steps"].as_integer(), settings["sigma_end"].as_float()),
            (Some(9), Some(0.004))
        );
        assert!(!settings.contains_key("eta"));
        assert_eq!(score.found.as_ref().map(|found| found.slices), Some(4));
        let again: Manifest = toml::from_str(&toml::to_string(&first).expect("text")).expect("good");
        assert_eq!(first, again);
    }

    #[test]
    fn impossible_settings_are_named() {
        let score = |line: &str| format!("[tuned.ct.score]\n{line}");
        for (tables, said) in [
            (score("stepps = 9"), "stepps"),
            (score("steps = 0"), "steps: 0"),
            (score("steps = -4"), "steps"),
            (score("steps = 2.5"), "steps"),
            (score("steps = 9000000000"), "steps"),
            (score("sigma_start = 0.1\nsigma_end = 0.2"), "must fall"),
            (score("sigma_start = inf\nsigma_end = 0.2"), "sigma_start"),
            (score("sigma_start = 1.0\nsigma_end = nan"), "sigma_end"),
            (score("eta = 1.5"), "eta"),
            (score("temperature = -0.1"), "temperature"),
            (score("data_weight = -1.0"), "data_weight"),
            (score("cg_iterations = 0"), "cg_iterations"),
            ("[tuned.ct.pc]\nsteps = 1".into(), "steps: 1"),
            ("[tuned.ct.pc]\nsnr = nan".into(), "snr"),
            ("[tuned.ct.pc]\nlambda = 2.0".into(), "lambda"),
            ("[tuned.ct.fbp]\nsteps = 3".into(), "fbp"),
            ("[tuned.pet.score]\nsteps = 3".into(), "pet"),
            ("[tuned.mri.score]\nsteps = 3".into(), "another kind"),
            (score("model = \"mr\""), "model"),
        ] {
            let message = card(&tables).expect_err(&tables);
            assert!(message.contains(said), "{tables}: {message}");
        }
    }
}
