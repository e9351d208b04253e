//! The learned methods of the command line: which model, which sampler.

use super::defaults;
use super::failure::Failure;
use super::job::Method;
use super::options::{EstimateName, Learned};
pub use super::settings::{Plan, Task};
use crate::models::{Manifest, Modality, ModelSource, Prior, Typical, ValueMapping, open};
use crate::score::{
    Decomposed, PointEstimate, Posterior, PosteriorSampler, PredictorCorrector, Trial, Tried, UnitRule,
};
use anyhow::Result;
use candle_core::Device;
use ndarray::Array2;
use recon_data::Unit;
use recon_operators::{DataNoise, Transform};
use recon_pipelines::report::ModelRecord;
use recon_pipelines::{L1Wavelet, Reconstruct, Tv, WithNoise};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The learned method of a plan: `pc` if the plan has a corrector, else the default one, started from what
/// `start` finds.
///
/// # Errors
/// When the device or the model is not there, or the model knows another kind of image.
pub fn method<T>(plan: &Plan, unit: Unit, start: Box<dyn Reconstruct<T> + Send>) -> Result<Method<T>>
where
    T: Transform<Image = Array2<f32>> + Clone + 'static,
{
    let (device, device_name) = plan.device.unwrap_or_default().open()?;
    let prior = Arc::new(prior(plan.model.as_deref().unwrap_or_default(), plan.task().modality(), &device)?);
    let model = Some(record(prior.manifest()));
    let rule = unit_rule(prior.manifest(), unit)?;
    let tried = Trying { prior: prior.clone(), unit: rule, device: device.clone() };
    let (name, run) = if plan.snr.is_some() {
        let settings = plan.predictor_corrector(prior.manifest());
        ("pc", tried.posterior(PredictorCorrector { model: prior, settings, unit: rule, device }, plan))
    } else {
        let settings = plan.decomposed();
        let start = match &plan.around {
            None => start,
            Some(point) => {
                let (model, device) = (prior.clone(), device.clone());
                Box::new(Decomposed { model, settings: point.decomposed(), unit: rule, start, device })
            }
        };
        ("score", tried.posterior(Decomposed { model: prior, settings, unit: rule, start, device }, plan))
    };
    let typical = tried.prior.manifest().typical;
    Ok(Method { name, run, model, device: device_name, samples: plan.samples.unwrap_or(1), typical })
}

/// The prior, by which results are tried.
struct Trying {
    prior: Arc<Prior>,
    unit: UnitRule,
    device: Device,
}

impl Trying {
    /// The method for as many samples as are wanted and with the noise that the user says, its results tried.
    fn posterior<T, M>(&self, method: M, plan: &Plan) -> Box<dyn Reconstruct<T>>
    where
        T: Transform<Image = Array2<f32>> + Clone + 'static,
        M: PosteriorSampler<T> + 'static,
    {
        let estimate = match plan.estimate.unwrap_or(EstimateName::Mean) {
            EstimateName::Mean => PointEstimate::Mean,
            EstimateName::Sample => PointEstimate::Sample,
            EstimateName::Median => PointEstimate::Median,
        };
        let (samples, widening) = (plan.samples.unwrap_or(1), plan.widen.unwrap_or(1.0));
        let method = Posterior { method, samples, estimate, widening };
        match plan.noise_std {
            Some(std) => self.tried(WithNoise { method, noise: DataNoise::white(std as f32) }),
            None => self.tried(method),
        }
    }

    /// The method with its results tried, if the card says what is usual.
    fn tried<T, R>(&self, method: R) -> Box<dyn Reconstruct<T>>
    where
        T: Transform<Image = Array2<f32>> + 'static,
        R: Reconstruct<T> + 'static,
    {
        let Some(Typical { noise, values, .. }) = self.prior.manifest().typical else {
            return Box::new(method);
        };
        let (model, device) = (self.prior.clone(), self.device.clone());
        Box::new(Tried { method, model, unit: self.unit, trial: Trial { noise, values }, device })
    }
}

/// Total variation with its default settings, to compare a learned method with.
pub fn tv(task: Task) -> Tv {
    Tv { settings: defaults::tv(task) }
}

/// Sparsity in wavelets with its default settings, to compare a learned method with.
pub fn wavelet() -> L1Wavelet {
    L1Wavelet { settings: defaults::wavelet() }
}

/// The image that the default method starts from: total variation.
pub fn start(task: Task) -> Tv {
    Tv { settings: defaults::start(task) }
}

/// The model that the options name, or the one that ships with the program for a task.
pub(super) fn model_name(options: &Learned, task: Task) -> String {
    options.model.clone().unwrap_or_else(|| builtin_name(task.modality()).to_owned())
}

fn builtin_name(modality: Modality) -> &'static str {
    match modality {
        Modality::Ct => "ct",
        Modality::Mr => "mr",
    }
}

fn prior(name: &str, wanted: Modality, device: &Device) -> Result<Prior> {
    let source = source(name)?;
    let prior = open(&source, device)?;
    let (Some(found), Some(_)) = (prior.manifest().modality, prior.manifest().value) else {
        return Err(Failure::Input(format!(
            "{name}: the model card does not say what its numbers mean; add modality = \"{}\" and a table \
             [value] to manifest.toml (docs/networks.md)",
            builtin_name(wanted)
        ))
        .into());
    };
    if prior.channels() != 1 {
        let channels = prior.channels();
        return Err(Failure::Input(format!(
            "{name}: is a model of images with {channels} channels; give one of plain images"
        ))
        .into());
    }
    if found != wanted {
        let (found, wanted) = (builtin_name(found), builtin_name(wanted));
        return Err(Failure::Input(format!(
            "{name}: is a model of {found} images; give one of {wanted} images"
        ))
        .into());
    }
    Ok(prior)
}

/// Where the model of this name is.
///
/// # Errors
/// When it is nowhere.
pub(super) fn source(name: &str) -> Result<ModelSource, Failure> {
    for modality in [Modality::Ct, Modality::Mr] {
        if name == builtin_name(modality) {
            return Ok(ModelSource::Builtin(modality));
        }
    }
    if Path::new(name).exists() {
        return Ok(ModelSource::Path(PathBuf::from(name)));
    }
    Err(Failure::Input(format!("{name}: no such model; give ct, mr or the folder of a model")))
}

fn record(card: &Manifest) -> ModelRecord {
    ModelRecord {
        name: card.name.clone(),
        version: card.version.clone(),
        sha256: card.weights.sha256.clone(),
    }
}

/// Percentile of a back-projection that is taken for bone, and what bone is in units of a CT model, when the
/// measurement has no unit. Bone attenuates 1.6 times as much as water, and water is 0.5.
const BRIGHT_PERCENTILE: f64 = 99.5;
const BRIGHT_IN_MODEL_UNITS: f32 = 0.8;

/// How physical values become the model's: as its card says, except for CT without a unit, which is scaled
/// so that its bright end looks like bone.
fn unit_rule(card: &Manifest, unit: Unit) -> Result<UnitRule, Failure> {
    let Some(value) = card.value else {
        return Err(Failure::Input(format!("{}: the model card has no table [value]; add one", card.name)));
    };
    Ok(match value {
        ValueMapping::Hounsfield { .. } if unit == Unit::Arbitrary => {
            UnitRule::Percentile { percentile: BRIGHT_PERCENTILE, factor: 1.0 / BRIGHT_IN_MODEL_UNITS }
        }
        ValueMapping::Hounsfield { unit_attenuation, .. } => UnitRule::Fixed(unit_attenuation as f32),
        ValueMapping::Percentile { percentile } => UnitRule::Percentile { percentile, factor: 1.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_a_name_or_a_folder() {
        assert!(matches!(source("ct"), Ok(ModelSource::Builtin(Modality::Ct))));
        assert!(source("no-such-model").is_err());
    }

    #[test]
    fn a_model_of_the_wrong_modality_is_refused() {
        let error = prior("mr", Modality::Ct, &Device::Cpu).err().expect("wrong kind of image");
        assert_eq!(super::super::failure::exit_code(&error), 3);
    }
}
