//! Diffusion posterior sampling of a scan.

use super::{SIGMA_MAX, SIGMA_MIN, Sampler, Start, descent, falling, report};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use crate::score::measure::{Dps, DpsWeight, GuidedDenoiser, Measured};
use crate::score::model::Differentiable;
use crate::score::moves::Unconditional;
use crate::score::process::Noise;
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::{Progress, Task};
use serde::{Deserialize, Serialize};

/// [`Dps`] guidance through the network, in Heun's method with fresh noise over falling levels. The data are weighed by the
/// residual (see [`DpsWeight::Residual`]), as in the paper's experiments, so that the noise need not be known.
///
/// One evaluation of the network and its gradient counts as a call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiffusionPosterior {
    /// Number of noise levels.
    pub steps: usize,
    /// Lowest noise level, in model units.
    pub sigma_min: f64,
    /// Noise level that sampling starts from, in model units.
    pub sigma_max: f64,
    /// `ζ`, how far a step goes towards the data: a length in the space of images, in model units.
    pub data_step: f64,
}

impl Sampler for DiffusionPosterior {
    fn sound(&self) -> std::result::Result<(), SettingError> {
        self.check_all()
    }

    fn draw(
        &self,
        prior: &dyn Differentiable,
        measured: &dyn Measured,
        _start: Start<'_>,
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let weight = DpsWeight::Residual { step: self.data_step };
        let model = GuidedDenoiser { prior, guidance: Dps { measurement: measured, weight } };
        let on_step = &mut |done| report(progress, done, self.steps);
        descent(self.steps, (self.sigma_min, self.sigma_max)).sample(
            &model,
            &mut Unconditional,
            noise,
            on_step,
        )
    }
}

impl SamplerSettings for DiffusionPosterior {
    const INFO: Info = Info {
        name: "dps",
        aliases: &[],
        about: "Diffusion posterior sampling: the learned prior guided by the misfit of the denoised image",
        source: "Chung, Kim, Mccann, Klasky and Ye 2023",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new(
                "steps",
                Range::Count(1),
                "Number of noise levels, with up to two network calls and gradients each",
            ),
            Knob::new("data-step", Range::Positive, "How far a step goes towards the data, in model units"),
            SIGMA_MIN,
            SIGMA_MAX,
        ],
        learned: true,
        noise: true,
    };

    fn defaults(task: Task, _given: &Table) -> Self {
        let data_step = if task == Task::Mri { 2.0 } else { 10.0 };
        Self { steps: 100, sigma_min: 0.01, sigma_max: 6.0, data_step }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    fn check(&self) -> std::result::Result<(), SettingError> {
        falling(self.sigma_min, self.sigma_max)
    }
}
