//! The learned methods of the command line: which model, which settings, which sampler.

use super::defaults;
use super::failure::Failure;
use super::job::Method;
use super::options::{EstimateName, Family, Learned, OrientationsName};
use crate::device::DeviceChoice;
use crate::models::{Manifest, Modality, ModelSource, Prior, ValueMapping, open};
use crate::score::{
    Decomposed, DecomposedSettings, PointEstimate, Posterior, PosteriorSampler, PredictorCorrector,
    PredictorCorrectorSettings, UnitRule,
};
use anyhow::Result;
use candle_core::Device;
use ndarray::Array2;
use recon_data::Unit;
use recon_operators::Transform;
use recon_operators::solvers::{TvSettings, WaveletSettings};
use recon_pipelines::report::ModelRecord;
use recon_pipelines::{L1Wavelet, Reconstruct, Tv};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What is to be reconstructed, which decides the default settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// CT from few views.
    Ct,
    /// MRI from few samples.
    Mri,
    /// CT around metal.
    Mar,
}

impl Task {
    fn modality(self) -> Modality {
        match self {
            Self::Ct | Self::Mar => Modality::Ct,
            Self::Mri => Modality::Mr,
        }
    }
}

/// The settings of a method, with every default filled in; only those that the method has.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Plan {
    #[serde(skip)]
    task: Option<Task>,
    /// Weight of total variation, for `tv` methods.
    pub tv_weight: Option<f32>,
    /// Weight of the wavelet coefficients, for `l1-wavelet`.
    pub wavelet_weight: Option<f32>,
    /// Noise levels or iterations.
    pub steps: Option<usize>,
    /// Built-in name or folder of the model.
    pub model: Option<String>,
    /// Where the network is to run.
    pub device: Option<DeviceChoice>,
    /// Number of posterior samples.
    pub samples: Option<usize>,
    /// What is made of them.
    pub estimate: Option<EstimateName>,
    /// Noise level of the start, in model units.
    pub sigma_start: Option<f64>,
    /// Noise level of the last denoising, in model units.
    pub sigma_end: Option<f64>,
    /// Conjugate-gradient iterations of a data fit.
    pub cg_iterations: Option<usize>,
    /// Iterations of total variation for the image that sampling starts from; none where that is
    /// interpolated.
    pub start_iterations: Option<usize>,
    /// How much of the noise is really added: 0 for a point estimate, 1 for samples.
    pub temperature: Option<f64>,
    /// Share of fresh noise in every step.
    pub eta: Option<f64>,
    /// How far a step goes on in the direction of the one before; nothing but at temperature 0.
    pub momentum: Option<f64>,
    /// How the network is shown the images.
    pub orientations: Option<OrientationsName>,
    /// Weight of the data against the denoised image.
    pub data_weight: Option<f64>,
    /// Langevin signal-to-noise ratio.
    pub snr: Option<f64>,
    /// λ
    pub lambda: Option<f64>,
}

impl Plan {
    /// The settings of a method of this family for a task, from options and the program's defaults; see
    /// [`plan`](super::tuned::plan) for those of the model's card.
    pub fn new(options: &Learned, family: Family, task: Task) -> Self {
        let learned = Self {
            task: Some(task),
            model: Some(model_name(options, task)),
            device: Some(options.device),
            samples: Some(options.samples),
            estimate: Some(options.estimate),
            ..Self::default()
        };
        match family {
            Family::Direct => Self { task: Some(task), ..Self::default() },
            Family::Tv => Self::tv_plan(options, task),
            Family::Wavelet => Self::wavelet_plan(options, task),
            Family::Score => {
                let settings = defaults::decomposed(task);
                Self {
                    steps: Some(options.steps.unwrap_or(settings.steps)),
                    sigma_start: Some(options.sigma_start.unwrap_or(settings.sigma_start)),
                    sigma_end: Some(options.sigma_end.unwrap_or(settings.sigma_end)),
                    cg_iterations: Some(options.cg_iterations.unwrap_or(settings.cg_iterations)),
                    start_iterations: (task != Task::Mar).then(|| defaults::start(task).iterations),
                    temperature: Some(options.temperature.unwrap_or(defaults::temperature(options.samples))),
                    eta: Some(options.eta.unwrap_or(settings.eta)),
                    momentum: Some(options.momentum.unwrap_or(settings.momentum)),
                    orientations: Some(options.orientations.unwrap_or(OrientationsName::All)),
                    data_weight: Some(options.data_weight.unwrap_or(settings.data_weight)),
                    ..learned
                }
            }
            Family::PredictorCorrector => {
                let settings = defaults::predictor_corrector(task, (0.01, 1.0));
                Self {
                    steps: Some(options.steps.unwrap_or(settings.steps)),
                    snr: Some(options.snr.unwrap_or(settings.snr)),
                    lambda: Some(options.lambda.unwrap_or(settings.lambda)),
                    ..learned
                }
            }
        }
    }

    fn tv_plan(options: &Learned, task: Task) -> Self {
        let settings = defaults::tv(task);
        Self {
            task: Some(task),
            tv_weight: Some(options.tv_weight.map_or(settings.weight, |weight| weight as f32)),
            steps: Some(options.steps.unwrap_or(settings.iterations)),
            ..Self::default()
        }
    }

    fn wavelet_plan(options: &Learned, task: Task) -> Self {
        let settings = defaults::wavelet();
        Self {
            task: Some(task),
            wavelet_weight: Some(options.wavelet_weight.map_or(settings.weight, |weight| weight as f32)),
            steps: Some(options.steps.unwrap_or(settings.iterations)),
            ..Self::default()
        }
    }

    fn task(&self) -> Task {
        self.task.unwrap_or(Task::Ct)
    }

    /// Total variation with these settings.
    pub fn tv(&self) -> Tv {
        let settings = defaults::tv(self.task());
        let weight = self.tv_weight.unwrap_or(settings.weight);
        let iterations = self.steps.unwrap_or(settings.iterations);
        Tv { settings: TvSettings { weight, iterations, ..settings } }
    }

    /// Sparsity in wavelets with these settings.
    pub fn wavelet(&self) -> L1Wavelet {
        let settings = defaults::wavelet();
        let weight = self.wavelet_weight.unwrap_or(settings.weight);
        L1Wavelet {
            settings: WaveletSettings { weight, iterations: self.steps.unwrap_or(settings.iterations) },
        }
    }

    fn decomposed(&self) -> DecomposedSettings {
        let settings = defaults::decomposed(self.task());
        DecomposedSettings {
            steps: self.steps.unwrap_or(settings.steps),
            sigma_start: self.sigma_start.unwrap_or(settings.sigma_start),
            sigma_end: self.sigma_end.unwrap_or(settings.sigma_end),
            temperature: self.temperature.unwrap_or(settings.temperature),
            eta: self.eta.unwrap_or(settings.eta),
            momentum: self.momentum.unwrap_or(settings.momentum),
            orientations: self.orientations.map_or(settings.orientations, Into::into),
            data_weight: self.data_weight.unwrap_or(settings.data_weight),
            cg_iterations: self.cg_iterations.unwrap_or(settings.cg_iterations),
            ..settings
        }
    }

    fn predictor_corrector(&self, card: &Manifest) -> PredictorCorrectorSettings {
        let settings = defaults::predictor_corrector(self.task(), card.noise_range());
        PredictorCorrectorSettings {
            steps: self.steps.unwrap_or(settings.steps),
            snr: self.snr.unwrap_or(settings.snr),
            lambda: self.lambda.unwrap_or(settings.lambda),
            ..settings
        }
    }
}

/// The learned method of a plan: `pc` if the plan has a corrector, else the default one, started from what
/// `start` finds.
///
/// # Errors
/// When the device or the model is not there, or the model knows another kind of image.
pub fn method<T>(plan: &Plan, unit: Unit, start: Box<dyn Reconstruct<T> + Send>) -> Result<Method<T>>
where
    T: Transform<Image = Array2<f32>> + 'static,
{
    let (device, device_name) = plan.device.unwrap_or_default().open()?;
    let prior = prior(plan.model.as_deref().unwrap_or_default(), plan.task().modality(), &device)?;
    let model = Some(record(prior.manifest()));
    let rule = unit_rule(prior.manifest(), unit)?;
    let (name, run): (_, Box<dyn Reconstruct<T>>) = if plan.snr.is_some() {
        let settings = plan.predictor_corrector(prior.manifest());
        ("pc", posterior(PredictorCorrector { model: prior, settings, unit: rule, device }, plan))
    } else {
        let settings = plan.decomposed();
        ("score", posterior(Decomposed { model: prior, settings, unit: rule, start, device }, plan))
    };
    Ok(Method { name, run, model, device: device_name })
}

fn posterior<T, M>(method: M, plan: &Plan) -> Box<dyn Reconstruct<T>>
where
    T: Transform<Image = Array2<f32>>,
    M: PosteriorSampler<T> + 'static,
{
    let estimate = match plan.estimate.unwrap_or(EstimateName::Mean) {
        EstimateName::Mean => PointEstimate::Mean,
        EstimateName::Sample => PointEstimate::Sample,
        EstimateName::Median => PointEstimate::Median,
    };
    Box::new(Posterior { method, samples: plan.samples.unwrap_or(1), estimate })
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
