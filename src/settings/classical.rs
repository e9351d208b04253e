//! Settings of the classical methods that have some.

use recon_operators::solvers::{TvSettings, WaveletSettings};
use recon_pipelines::Task;

/// Settings of total variation.
#[derive(Clone, Debug, PartialEq)]
pub struct TvSpec {
    /// Weight of the total variation, and iterations.
    pub settings: TvSettings,
}

/// Settings of sparsity in wavelets.
#[derive(Clone, Debug, PartialEq)]
pub struct WaveletSpec {
    /// Weight of the coefficients, and iterations.
    pub settings: WaveletSettings,
}

impl TvSpec {
    /// The program's settings for a task.
    pub fn defaults(task: Task) -> Self {
        let settings = match task {
            Task::Ct => TvSettings { weight: 0.0003, iterations: 200, nonnegative: true },
            Task::Mar => TvSettings { weight: 0.0005, iterations: 200, nonnegative: true },
            Task::Mri | Task::Denoise => TvSettings { weight: 0.004, iterations: 100, nonnegative: false },
        };
        Self { settings }
    }

    /// The image that learned methods start from: total variation, but not to the last digit.
    pub fn start(task: Task) -> TvSettings {
        TvSettings { iterations: 60, ..Self::defaults(task).settings }
    }
}

impl WaveletSpec {
    /// The program's settings.
    ///
    /// Mean PSNR in dB of four training slices (T1, T2, contrast-enhanced T1; equispaced masks at 4x and 8x):
    /// weight 0.002 26.25 and 22.54, 0.004 26.18 and 22.54, 0.008 26.05 and 22.44, 0.016 25.75 and 22.17; 400 iterations
    /// instead of 100 change nothing.
    pub fn defaults() -> Self {
        Self { settings: WaveletSettings { weight: 0.002, iterations: 100 } }
    }
}
