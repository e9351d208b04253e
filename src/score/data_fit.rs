//! The proximal step towards a measurement, again and again for one slice.

use super::consistency::{NORM_ITERATIONS, regularised_fit};
use super::{DecomposedSettings, bridge};
use candle_core::{Result, Tensor};
use ndarray::Array2;
use recon_operators::solvers::operator_norm;
use recon_operators::{Field, Problem, Transform};

/// The data of one slice in model units, and how strongly they bind.
pub(super) struct DataFit<'a, T: Transform> {
    problem: &'a Problem<T>,
    measured: T::Data,
    norm: f64,
    noise_std: f64,
    data_weight: f64,
    iterations: usize,
}

impl<'a, T: Transform<Image = Array2<f32>>> DataFit<'a, T> {
    /// For images in model units, physical values divided by `unit`; of the settings those that concern the data.
    pub(super) fn new(problem: &'a Problem<T>, unit: f32, settings: &DecomposedSettings) -> Self {
        let mut measured = problem.measured.clone();
        measured.scale(1.0 / unit);
        Self {
            problem,
            measured,
            norm: operator_norm(problem, NORM_ITERATIONS),
            noise_std: settings.noise_std / f64::from(unit),
            data_weight: settings.data_weight,
            iterations: settings.cg_iterations,
        }
    }

    /// `x̂₀ = argmin_z ‖z − D‖² + w ‖A z − y‖²` of every image of a batch denoised at the level `sigma`, by
    /// conjugate gradients from `z = D`.
    ///
    /// # Errors
    /// When the way between tensor and array fails.
    pub(super) fn solve(&self, denoised: &Tensor, sigma: f64) -> Result<Tensor> {
        let weights = (1.0, self.weight(sigma) as f32);
        let fitted: Vec<_> = bridge::to_images(denoised)?
            .iter()
            .map(|image| regularised_fit(self.problem, image, &self.measured, weights, self.iterations))
            .collect();
        bridge::to_tensor(&fitted, denoised.device())
    }

    /// Factor on `‖A z − y‖²` beside `‖z − D‖²`: `min(γ/‖A‖², σ²/n²)` for noise of std `n` in `y`.
    ///
    /// `σ²/n²` is the posterior's own weight if the denoised image is off by σ a pixel, which it is at most;
    /// γ keeps the fit well conditioned where σ is large or the data have no noise.
    fn weight(&self, sigma: f64) -> f64 {
        let weight = if self.norm > 0.0 { self.data_weight / (self.norm * self.norm) } else { 0.0 };
        if self.noise_std > 0.0 { weight.min((sigma / self.noise_std).powi(2)) } else { weight }
    }
}
