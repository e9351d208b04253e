//! The proximal step towards a measurement, again and again for one slice.

use super::consistency::{NORM_ITERATIONS, regularised_fit};
use super::{DecomposedSettings, bridge};
use candle_core::{Result, Tensor};
use ndarray::Array2;
use recon_operators::solvers::operator_norm;
use recon_operators::{DataNoise, Field, LinearOperator, Problem, Transform, Weights};

/// What part of the noise a step may still change when it was the last one.
const CHANGE: f64 = 0.1;

/// The data of one slice in model units, and how strongly they bind.
pub(super) struct DataFit<'a, T: Transform> {
    problem: &'a Problem<T>,
    measured: T::Data,
    unit: f64,
    limit: f64,
    iterations: usize,
}

impl<'a, T: Transform<Image = Array2<f32>>> DataFit<'a, T> {
    /// For images in model units, physical values divided by `unit`; of the settings those that concern the data.
    pub(super) fn new(problem: &'a Problem<T>, unit: f32, settings: &DecomposedSettings) -> Self {
        let mut measured = problem.measured.clone();
        measured.scale(1.0 / unit);
        let norm = operator_norm(problem, NORM_ITERATIONS);
        let limit = if norm > 0.0 { settings.data_weight / (norm * norm) } else { 0.0 };
        Self { problem, measured, unit: f64::from(unit), limit, iterations: settings.cg_iterations }
    }

    /// `x̂₀ = argmin_z ‖z − D‖² + Σ wᵢ |(A z − y)ᵢ|²` of every image of a batch denoised at the level `sigma`, by
    /// conjugate gradients from `z = D`.
    ///
    /// # Errors
    /// When the way between tensor and array fails.
    pub(super) fn solve(&self, denoised: &Tensor, sigma: f64) -> Result<Tensor> {
        let weights = self.weights(sigma);
        let fitted: Vec<_> = bridge::to_images(denoised)?
            .iter()
            .map(|image| {
                regularised_fit(self.problem, image, &self.measured, (1.0, &weights), self.iterations)
            })
            .collect();
        bridge::to_tensor(&fitted, denoised.device())
    }

    /// Whether every image of a batch fits the data to within their noise, and was changed since `before` by less than a
    /// tenth of it as the data see it; never where the noise is not known.
    ///
    /// # Errors
    /// When the way between tensor and array fails.
    pub(super) fn is_settled(&self, fitted: &Tensor, before: &Tensor) -> Result<bool> {
        if self.problem.noise == DataNoise::None {
            return Ok(false);
        }
        let changed = bridge::to_images(&(fitted - before)?)?;
        let settled = bridge::to_images(fitted)?.iter().zip(&changed).all(|(image, change)| {
            let mut misfit = self.problem.forward(image);
            misfit.add_scaled(-1.0, &self.measured);
            self.size(misfit) <= 1.0 && self.size(self.problem.forward(change)) <= CHANGE * CHANGE
        });
        Ok(settled)
    }

    /// Mean square of a difference of data in model units, in units of the noise.
    fn size(&self, mut difference: T::Data) -> f64 {
        difference.scale(self.unit as f32);
        self.problem.noise.chi_squared(&difference, &self.problem.mask).unwrap_or(f64::INFINITY)
    }

    /// Factors on `|(A z − y)ᵢ|²` beside `‖z − D‖²`: `min(γ/‖A‖², σ²/nᵢ²)` for noise of std nᵢ in yᵢ.
    ///
    /// `σ²/nᵢ²` is the posterior's own weight if the denoised image is off by σ a pixel, which it is at most;
    /// γ keeps the fit well conditioned where σ is large or the data have no noise.
    fn weights(&self, sigma: f64) -> Weights {
        // Images, and so the data, are in model units; the noise is in that of the data.
        self.problem.noise.weights(sigma * self.unit, self.limit)
    }
}
