//! Settings that were found for a network, as they stand in its card: the tables `[tuned.<task>.<method>]`.

use recon_data::Modality;
use serde::{Deserialize, Serialize};

/// Settings by task; empty where nobody has tuned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuned {
    /// CT from few views.
    #[serde(default, skip_serializing_if = "TunedTask::is_empty")]
    pub ct: TunedTask,
    /// MRI from few samples.
    #[serde(default, skip_serializing_if = "TunedTask::is_empty")]
    pub mri: TunedTask,
    /// CT around metal.
    #[serde(default, skip_serializing_if = "TunedTask::is_empty")]
    pub mar: TunedTask,
}

/// Settings for a task, by method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedTask {
    /// The default method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<TunedScore>,
    /// The predictor-corrector sampler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pc: Option<TunedPc>,
}

/// Settings of the default method, see [`DecomposedSettings`](crate::score::DecomposedSettings); what is missing
/// is as the program has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedScore {
    /// Number of noise levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Noise level of the start, in model units; never without `sigma_end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_start: Option<f64>,
    /// Noise level of the last denoising, in model units; never without `sigma_start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma_end: Option<f64>,
    /// η
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    /// κ, where a single sample is drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// β
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// γ
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_weight: Option<f64>,
    /// Conjugate-gradient steps of a data fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cg_iterations: Option<usize>,
    /// Where the settings come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// Settings of the predictor-corrector sampler, see
/// [`PredictorCorrectorSettings`](crate::score::PredictorCorrectorSettings).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedPc {
    /// Number of noise levels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Signal-to-noise ratio of the corrector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snr: Option<f64>,
    /// λ
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Where the settings come from.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// More steps or iterations than anybody waits for.
const MAX_COUNT: usize = 1_000_000;

impl Tuned {
    /// Whether there are no settings.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with the settings of a network for `modality`, if anything.
    pub(super) fn problem(&self, modality: Option<Modality>) -> Option<String> {
        let tasks = [
            ("ct", &self.ct, Modality::Ct),
            ("mri", &self.mri, Modality::Mr),
            ("mar", &self.mar, Modality::Ct),
        ];
        if self.mar.pc.is_some() {
            return Some("tuned.mar.pc: there is no such method for metal artifacts".to_owned());
        }
        let other = |(_, task, needed): &&(_, &TunedTask, _)| !task.is_empty() && modality != Some(*needed);
        if let Some((name, ..)) = tasks.iter().find(other) {
            return Some(format!("tuned.{name}: the network knows another kind of image"));
        }
        tasks.iter().find_map(|(name, task, _)| task.problem().map(|what| format!("tuned.{name}.{what}")))
    }
}

impl TunedTask {
    /// Whether there are no settings.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn problem(&self) -> Option<String> {
        let score = self.score.as_ref().and_then(TunedScore::problem);
        let score = score.map(|what| format!("score: {what}"));
        score.or_else(|| self.pc.as_ref().and_then(TunedPc::problem).map(|what| format!("pc: {what}")))
    }
}

impl TunedScore {
    fn problem(&self) -> Option<String> {
        if let Some(what) = self.sigma_problem() {
            return Some(what);
        }
        count("steps", self.steps, 1, MAX_COUNT)
            .or_else(|| share("eta", self.eta))
            .or_else(|| share("temperature", self.temperature))
            .or_else(|| share("momentum", self.momentum))
            .or_else(|| {
                let still = self.momentum == Some(1.0);
                still.then(|| "momentum = 1 never comes to rest; give less".to_owned())
            })
            .or_else(|| positive("data_weight", self.data_weight))
            .or_else(|| count("cg_iterations", self.cg_iterations, 1, MAX_COUNT))
            .or_else(|| self.found.as_ref().and_then(Found::problem))
    }

    fn sigma_problem(&self) -> Option<String> {
        match (self.sigma_start, self.sigma_end) {
            (None, None) => None,
            (Some(start), Some(end)) => positive("sigma_start", self.sigma_start)
                .or_else(|| positive("sigma_end", self.sigma_end))
                .or_else(|| {
                    (end > start).then(|| format!("sigma_end = {end} is above sigma_start = {start}"))
                }),
            _ => Some("sigma_start and sigma_end belong together".to_owned()),
        }
    }
}

impl TunedPc {
    fn problem(&self) -> Option<String> {
        count("steps", self.steps, 2, MAX_COUNT)
            .or_else(|| positive("snr", self.snr))
            .or_else(|| share("lambda", self.lambda))
            .or_else(|| self.found.as_ref().and_then(Found::problem))
    }
}

impl Found {
    fn problem(&self) -> Option<String> {
        let finite = self.psnr.is_finite() && self.psnr_before.is_finite();
        (!finite).then(|| "found: psnr and psnr_before must be finite".to_owned())
    }
}

fn positive(name: &str, value: Option<f64>) -> Option<String> {
    let value = value.filter(|value| !(value.is_finite() && *value > 0.0))?;
    Some(format!("{name} = {value} must be positive and finite"))
}

fn share(name: &str, value: Option<f64>) -> Option<String> {
    let value = value.filter(|value| !(0.0..=1.0).contains(value))?;
    Some(format!("{name} = {value} must lie in [0, 1]"))
}

fn count(name: &str, value: Option<usize>, least: usize, most: usize) -> Option<String> {
    let value = value.filter(|value| !(least..=most).contains(value))?;
    Some(format!("{name} = {value} must lie in {least}..={most}"))
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;

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
        let score = first.tuned.ct.score.as_ref().expect("there");
        assert_eq!((score.steps, score.sigma_end, score.eta), (Some(9), Some(0.004), None));
        assert_eq!(score.found.as_ref().map(|found| found.slices), Some(4));
        let again: Manifest = toml::from_str(&toml::to_string(&first).expect("text")).expect("good");
        assert_eq!(first, again);
    }

    #[test]
    fn impossible_settings_are_named() {
        let score = |line: &str| format!("[tuned.ct.score]\n{line}");
        for (tables, said) in [
            (score("stepps = 9"), "stepps"),
            (score("steps = 0"), "steps = 0"),
            (score("steps = -4"), "steps"),
            (score("steps = 2.5"), "steps"),
            (score("steps = 9000000000"), "steps"),
            (score("sigma_start = 0.4"), "belong together"),
            (score("sigma_start = 0.1\nsigma_end = 0.2"), "above"),
            (score("sigma_start = inf\nsigma_end = 0.2"), "sigma_start"),
            (score("sigma_start = 1.0\nsigma_end = nan"), "sigma_end"),
            (score("eta = 1.5"), "eta"),
            (score("temperature = -0.1"), "temperature"),
            (score("data_weight = 0.0"), "data_weight"),
            (score("cg_iterations = 0"), "cg_iterations"),
            ("[tuned.ct.pc]\nsteps = 1".into(), "steps = 1"),
            ("[tuned.ct.pc]\nsnr = nan".into(), "snr"),
            ("[tuned.ct.pc]\nlambda = 2.0".into(), "lambda"),
            ("[tuned.ct.fbp]\nsteps = 3".into(), "fbp"),
            ("[tuned.pet.score]\nsteps = 3".into(), "pet"),
            ("[tuned.mri.score]\nsteps = 3".into(), "another kind"),
            ("[tuned.mar.pc]\nsteps = 3".into(), "no such method"),
        ] {
            let message = card(&tables).expect_err(&tables);
            assert!(message.contains(said), "{tables}: {message}");
        }
    }
}
