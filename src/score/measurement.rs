//! The measurement of one slice in a model's units, as guidance compares images with it.

use super::bridge;
use super::consistency::{regularised_step, residual};
use candle_core::{Result, Tensor};
use ndarray::Array2;
use recon_operators::{Field, LinearOperator, Problem, Transform, Weights};

/// `y = A x₀ + n e`, with images and data in model units.
pub struct Measurement<'a, T: Transform> {
    problem: &'a Problem<T>,
    measured: T::Data,
    noise_std: f64,
}

impl<'a, T: Transform<Image = Array2<f32>>> Measurement<'a, T> {
    /// Images in model units are physical values divided by `unit`. `n` is the noise of the problem; where it is not
    /// the same everywhere, its root mean square.
    pub fn new(problem: &'a Problem<T>, unit: f32) -> Self {
        let mut measured = problem.measured.clone();
        measured.scale(1.0 / unit);
        let noise_std = problem.noise.root_mean_square(&problem.mask) / f64::from(unit);
        Self { problem, measured, noise_std }
    }

    /// `n²`, in model units; 0 where there is no noise, or nobody knows.
    pub fn noise_variance(&self) -> f64 {
        self.noise_std * self.noise_std
    }

    /// `Aᴴ(y − A x)` of every image of a batch.
    ///
    /// # Errors
    /// When the way between tensor and array fails.
    pub fn back_projected(&self, x: &Tensor) -> Result<Tensor> {
        each(x, |image| self.problem.adjoint(&residual(self.problem, image, &self.measured)))
    }

    /// `Aᴴ(y − A x)/‖y − A x‖` of every image: the slope of `−‖y − A x‖`. 0 where the data are met.
    ///
    /// # Errors
    /// When the way between tensor and array fails.
    pub fn back_projected_direction(&self, x: &Tensor) -> Result<Tensor> {
        each(x, |image| {
            let difference = residual(self.problem, image, &self.measured);
            let length = difference.norm();
            let inverse = if length > 0.0 { 1.0 / length } else { 0.0 };
            self.problem.adjoint(&difference) * inverse as f32
        })
    }

    /// `Aᴴ(r² A Aᴴ + n² I)⁻¹(y − A x)` of every image, as `(r² AᴴA + n² I)⁻¹Aᴴ(y − A x)` by `iterations`
    /// conjugate-gradient steps. For data without noise, the shortest solution.
    ///
    /// # Errors
    /// When the way between tensor and array fails.
    pub fn whitened(&self, x: &Tensor, image_variance: f64, iterations: usize) -> Result<Tensor> {
        let even = Weights::Even(image_variance as f32);
        let weights = (self.noise_variance() as f32, &even);
        each(x, |image| {
            regularised_step(self.problem, image, &self.measured, weights, iterations) / image_variance as f32
        })
    }
}

fn each(x: &Tensor, one: impl Fn(&Array2<f32>) -> Array2<f32>) -> Result<Tensor> {
    let images: Vec<_> = bridge::to_images(x)?.iter().map(one).collect();
    bridge::to_tensor(&images, x.device())
}
