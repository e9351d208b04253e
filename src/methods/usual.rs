//! The method of a case that names none.

use super::Registry;
use crate::knobs::Info;
use crate::models::{ModelSource, read_card};
use crate::settings::{BayesSpec, ConditionalSpec, Layers};
use recon_pipelines::{MaskChoice, MriSpec, PhaseAxisName, SamplingName, SamplingSpec, TaskSpec};

impl Registry {
    /// The method of a task where nobody names one: the conditional prior of MRI for what it was trained on, which is noiseless
    /// simulated lines of k-space; `bayes` for images to denoise; `score` for everything else, and where a setting is said that only `score` has.
    ///
    /// Sparse views of CT stay with `score`, whose prior is the better one there.
    pub fn usual(&self, task: &TaskSpec, layers: &Layers) -> &'static Info {
        if let TaskSpec::Denoise(_) = task {
            return BayesSpec::INFO;
        }
        let (told, other) = (ConditionalSpec::INFO, ConditionalSpec::FALLBACK_INFO);
        let is_served = is_lines(task) && !layers.asks_for_more(told, other);
        if is_served && layers.text(told, "model").is_none_or(|model| is_conditional(&model)) {
            told
        } else {
            other
        }
    }
}

/// Whether whole columns of k-space are left out of an image without noise.
fn is_lines(task: &TaskSpec) -> bool {
    let TaskSpec::Mri(MriSpec { sampling: Some(sampling), noise_std: None }) = task else { return false };
    let SamplingSpec { mask: MaskChoice::Rule(rule), phase_axis: PhaseAxisName::Columns, .. } = sampling
    else {
        return false;
    };
    matches!(
        rule,
        SamplingName::Equispaced | SamplingName::Random | SamplingName::Magic | SamplingName::Gaussian1d
    )
}

/// Whether a model is told what was measured. One that cannot be read is reported when it is opened.
fn is_conditional(model: &str) -> bool {
    let card = ModelSource::named(model).and_then(|source| read_card(&source));
    card.is_ok_and(|card| card.family.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceChoice;
    use recon_pipelines::{CtSpec, DenoiseSpec};

    fn mri(change: impl FnOnce(&mut SamplingSpec)) -> TaskSpec {
        let mut sampling = SamplingSpec::default();
        change(&mut sampling);
        TaskSpec::Mri(MriSpec { sampling: Some(sampling), noise_std: None })
    }

    fn usual(task: &TaskSpec, settings: &[(&str, toml::Value)]) -> &'static str {
        let set = |layers: Layers, (key, value): &(&str, toml::Value)| layers.set(key, value.clone());
        let layers = settings.iter().try_fold(Layers::default(), set).expect("settings");
        Registry::new(DeviceChoice::Cpu).usual(task, &layers).name
    }

    #[test]
    fn lines_without_noise_take_the_conditional_prior() {
        assert_eq!(usual(&mri(|_| ()), &[]), "conditional");
        assert_eq!(usual(&mri(|s| s.mask = MaskChoice::Rule(SamplingName::Random)), &[]), "conditional");
        assert_eq!(usual(&mri(|s| s.mask = MaskChoice::Rule(SamplingName::Radial)), &[]), "score");
        assert_eq!(usual(&mri(|s| s.mask = MaskChoice::File("m.npy".into())), &[]), "score");
        assert_eq!(usual(&mri(|s| s.phase_axis = PhaseAxisName::Rows), &[]), "score");
        assert_eq!(usual(&TaskSpec::Mri(MriSpec { sampling: None, noise_std: None }), &[]), "score");
        let noisy = MriSpec { sampling: Some(SamplingSpec::default()), noise_std: Some(0.1) };
        assert_eq!(usual(&TaskSpec::Mri(noisy), &[]), "score");
        assert_eq!(usual(&TaskSpec::Ct(CtSpec::default()), &[]), "score");
        assert_eq!(usual(&TaskSpec::Denoise(DenoiseSpec::default()), &[]), "bayes");
    }

    #[test]
    fn what_only_score_has_takes_score() {
        let lines = mri(|_| ());
        assert_eq!(usual(&lines, &[("steps", 4.into())]), "conditional");
        assert_eq!(usual(&lines, &[("passes", 2.into())]), "score");
        assert_eq!(usual(&lines, &[("samples", 4.into())]), "score");
        assert_eq!(usual(&lines, &[("samples", 1.into())]), "conditional");
        assert_eq!(usual(&lines, &[("model", "mr".into())]), "score");
        assert_eq!(usual(&lines, &[("model", "mr/conditional".into())]), "conditional");
        // Meant for the method that stands in.
        assert_eq!(usual(&lines, &[("score.passes", 2.into())]), "conditional");
    }
}
