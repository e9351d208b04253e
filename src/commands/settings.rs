//! The settings of a method: options, and the program's defaults where they say nothing.

use super::defaults;
use super::learned::model_name;
use super::options::{EstimateName, Family, Learned, OrientationsName};
use crate::device::DeviceChoice;
use crate::models::{Manifest, Modality};
use crate::score::{DecomposedSettings, PredictorCorrectorSettings};
use recon_operators::solvers::{TvSettings, WaveletSettings};
use recon_pipelines::{L1Wavelet, Tv};
use serde::Serialize;

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
    pub(super) fn modality(self) -> Modality {
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
    pub(super) task: Option<Task>,
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
    /// The estimate that samples are drawn around, when several are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub around: Option<Box<Plan>>,
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
    /// How often the whole way is gone.
    pub passes: Option<usize>,
    /// How much wider than several samples their standard deviation and quantiles are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub widen: Option<f64>,
    /// Weight of the data against the denoised image.
    pub data_weight: Option<f64>,
    /// Standard deviation of the noise in the data, in their physical unit, where the user says so.
    pub noise_std: Option<f64>,
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
            Family::Score => Self::score_plan(options, task, learned),
            Family::PredictorCorrector => {
                let settings = defaults::predictor_corrector(task, (0.01, 1.0));
                Self {
                    steps: Some(options.steps.unwrap_or(settings.steps)),
                    snr: Some(options.snr.unwrap_or(settings.snr)),
                    lambda: Some(options.lambda.unwrap_or(settings.lambda)),
                    widen: options.widen,
                    noise_std: options.noise_std,
                    ..learned
                }
            }
        }
    }

    fn score_plan(options: &Learned, task: Task, learned: Self) -> Self {
        let settings = defaults::decomposed(task, options.samples);
        let temperature = options.temperature.unwrap_or(settings.temperature);
        let orientations = options.orientations.unwrap_or(OrientationsName::All);
        // Passes differ by the orientations alone, and each would draw another sample.
        let several = orientations == OrientationsName::All && temperature == 0.0;
        let passes = if several { settings.passes } else { 1 };
        Self {
            steps: Some(options.steps.unwrap_or(settings.steps)),
            sigma_start: Some(options.sigma_start.unwrap_or(settings.sigma_start)),
            sigma_end: Some(options.sigma_end.unwrap_or(settings.sigma_end)),
            cg_iterations: Some(options.cg_iterations.unwrap_or(settings.cg_iterations)),
            start_iterations: (options.samples == 1 && task != Task::Mar)
                .then(|| defaults::start(task).iterations),
            temperature: Some(temperature),
            eta: Some(options.eta.unwrap_or(settings.eta)),
            momentum: Some(options.momentum.unwrap_or(settings.momentum)),
            orientations: Some(orientations),
            passes: Some(options.passes.unwrap_or(passes)),
            widen: (options.samples > 1).then(|| options.widen.unwrap_or(defaults::widening(task))),
            data_weight: Some(options.data_weight.unwrap_or(settings.data_weight)),
            noise_std: options.noise_std,
            ..learned
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

    pub(super) fn task(&self) -> Task {
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

    pub(super) fn decomposed(&self) -> DecomposedSettings {
        let settings = defaults::decomposed(self.task(), self.samples.unwrap_or(1));
        DecomposedSettings {
            steps: self.steps.unwrap_or(settings.steps),
            sigma_start: self.sigma_start.unwrap_or(settings.sigma_start),
            sigma_end: self.sigma_end.unwrap_or(settings.sigma_end),
            temperature: self.temperature.unwrap_or(settings.temperature),
            eta: self.eta.unwrap_or(settings.eta),
            momentum: self.momentum.unwrap_or(settings.momentum),
            orientations: self.orientations.map_or(settings.orientations, Into::into),
            passes: self.passes.unwrap_or(settings.passes),
            data_weight: self.data_weight.unwrap_or(settings.data_weight),
            cg_iterations: self.cg_iterations.unwrap_or(settings.cg_iterations),
            ..settings
        }
    }

    pub(super) fn predictor_corrector(&self, card: &Manifest) -> PredictorCorrectorSettings {
        let settings = defaults::predictor_corrector(self.task(), card.noise_range());
        PredictorCorrectorSettings {
            steps: self.steps.unwrap_or(settings.steps),
            snr: self.snr.unwrap_or(settings.snr),
            lambda: self.lambda.unwrap_or(settings.lambda),
            ..settings
        }
    }
}
