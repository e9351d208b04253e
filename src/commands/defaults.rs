//! The settings of the methods where the user says nothing: the only place they stand.

use super::learned::Task;
use crate::score::{DecomposedSettings, Form, PredictorCorrectorSettings};
use recon_operators::solvers::{TvSettings, WaveletSettings};

/// Total variation.
pub fn tv(task: Task) -> TvSettings {
    match task {
        Task::Ct => TvSettings { weight: 0.0003, iterations: 200, nonnegative: true },
        Task::Mar => TvSettings { weight: 0.0005, iterations: 200, nonnegative: true },
        Task::Mri => TvSettings { weight: 0.004, iterations: 100, nonnegative: false },
    }
}

/// Sparsity in wavelets.
///
/// Mean PSNR in dB of four training slices (T1, T2, contrast-enhanced T1; equispaced masks at 4x and 8x):
/// weight 0.002 26.25 and 22.54, 0.004 26.18 and 22.54, 0.008 26.05 and 22.44, 0.016 25.75 and 22.17; 400 iterations
/// instead of 100 change nothing.
pub fn wavelet() -> WaveletSettings {
    WaveletSettings { weight: 0.002, iterations: 100 }
}

/// The image that the learned methods start from: total variation, but not to the last digit.
pub fn start(task: Task) -> TvSettings {
    TvSettings { iterations: 60, ..tv(task) }
}

/// The default learned method; docs/results.md says how these numbers were chosen.
///
/// One image is the point estimate, without noise, which has the least error. Several are drawn around it.
pub fn decomposed(task: Task, samples: usize) -> DecomposedSettings {
    if samples > 1 { spread(task) } else { point(task) }
}

/// Samples around a point estimate. Little of the noise is fresh: the more, the narrower the samples. A lower start shows
/// less of what is uncertain, a higher one costs quality; docs/results.md has the numbers.
fn spread(task: Task) -> DecomposedSettings {
    let settings =
        DecomposedSettings { momentum: 0.0, temperature: 1.0, eta: 0.3, steps: 12, passes: 1, ..point(task) };
    match task {
        Task::Ct | Task::Mar => DecomposedSettings { sigma_start: 0.25, ..settings },
        Task::Mri => DecomposedSettings { sigma_start: 0.3, ..settings },
    }
}

/// How much wider than the samples of the default method the posterior is taken to be. The ghosts of regular masks are
/// to some part in all samples of MRI, which their spread does not show; docs/uncertainty.md has what is reached.
pub fn widening(task: Task) -> f64 {
    match task {
        Task::Ct | Task::Mar => 1.0,
        Task::Mri => 1.8,
    }
}

fn point(task: Task) -> DecomposedSettings {
    let common = DecomposedSettings { momentum: 0.7, temperature: 0.0, ..DecomposedSettings::default() };
    match task {
        Task::Ct => DecomposedSettings {
            sigma_start: 0.25,
            steps: 40,
            data_weight: 5000.0,
            cg_iterations: 8,
            ..common
        },
        Task::Mri => DecomposedSettings { sigma_start: 0.3, sigma_end: 0.02, steps: 28, passes: 3, ..common },
        Task::Mar => DecomposedSettings { sigma_start: 0.3, steps: 12, ..common },
    }
}

/// The predictor-corrector sampler, as the dissertation tuned it for its data, at the noise levels that the
/// model was trained for.
///
/// CT: SNR 0.246 and λ 0.841, in the form that does not pass the image through back-projection at every
/// step; MRI: SNR 0.577 and λ 0.982.
pub fn predictor_corrector(task: Task, (sigma_min, sigma_max): (f64, f64)) -> PredictorCorrectorSettings {
    let (snr, lambda, form) = match task {
        Task::Ct => (0.246, 0.841, Form::ConjugateGradient { iterations: 6 }),
        Task::Mar => (0.209, 0.227, Form::ConjugateGradient { iterations: 6 }),
        Task::Mri => (0.577, 0.982, Form::Published),
    };
    let published = PredictorCorrectorSettings::published(snr, lambda);
    PredictorCorrectorSettings { sigma_min, sigma_max, form, ..published }
}
