//! Pseudo-inverse guidance of a scan.

use super::{SIGMA_MAX, SIGMA_MIN, Sampler, Start, descent, falling, report};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use crate::score::measure::{GuidedDenoiser, Measured, PseudoInverse};
use crate::score::model::Differentiable;
use crate::score::moves::Unconditional;
use crate::score::process::Noise;
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::{Progress, Task};
use serde::{Deserialize, Serialize};

/// [`PseudoInverse`] guidance through the network (ΠGDM), in Heun's method with fresh noise over falling levels.
///
/// One evaluation of the network and its gradient counts as a call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PseudoInverseGuided {
    /// Number of noise levels.
    pub steps: usize,
    /// Lowest noise level, in model units.
    pub sigma_min: f64,
    /// Noise level that sampling starts from, in model units.
    pub sigma_max: f64,
    /// `√v` in `r² = σ²v/(σ² + v)`: how far images lie from their mean, in model units.
    pub prior_std: f64,
    /// Conjugate-gradient steps for the inverse.
    pub cg_iterations: usize,
}

impl Sampler for PseudoInverseGuided {
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
        let prior_variance = self.prior_std.powi(2);
        let guidance =
            PseudoInverse { measurement: measured, prior_variance, iterations: self.cg_iterations };
        let model = GuidedDenoiser { prior, guidance };
        let on_step = &mut |done| report(progress, done, self.steps);
        descent(self.steps, (self.sigma_min, self.sigma_max)).sample(
            &model,
            &mut Unconditional,
            noise,
            on_step,
        )
    }
}

impl SamplerSettings for PseudoInverseGuided {
    const INFO: Info = Info {
        name: "pigdm",
        aliases: &[],
        about: "Pseudo-inverse guidance: the learned prior guided by the whitened misfit of the denoised image",
        source: "Song, Vahdat, Mardani and Kautz 2023",
        tasks: &Task::RECONSTRUCTIONS,
        knobs: &[
            Knob::new(
                "steps",
                Range::Count(1),
                "Number of noise levels, with up to two network calls and gradients each",
            ),
            Knob::new("prior-std", Range::Positive, "How far images lie from their mean, in model units"),
            Knob::new("cg-iterations", Range::Count(1), "Conjugate-gradient iterations of every inverse"),
            SIGMA_MIN,
            SIGMA_MAX,
        ],
        learned: true,
        noise: true,
    };

    fn defaults(_task: Task, _given: &Table) -> Self {
        Self { steps: 40, sigma_min: 0.01, sigma_max: 6.0, prior_std: 0.3, cg_iterations: 10 }
    }

    fn with_steps(&self, steps: usize, _trial: bool) -> Self {
        Self { steps, ..*self }
    }

    fn most_steps(_task: Task, _several: bool) -> usize {
        200
    }

    fn check(&self) -> std::result::Result<(), SettingError> {
        falling(self.sigma_min, self.sigma_max)
    }
}
