//! Distributions whose score is known in closed form: the oracles that samplers are tested with.

use crate::score::ScoreModel;
use candle_core::{DType, Device, Result, Tensor};
use ndarray::Array2;
use recon_operators::solvers::conjugate_gradient;
use recon_operators::{Field, LinearOperator, Problem, Transform};
use std::f64::consts::PI;

/// `N(mean, variance I)`.
#[derive(Clone, Debug)]
pub struct Gaussian {
    /// `[1, row, col]` or `[1, 1, row, col]`
    pub mean: Tensor,
    /// Variance of every pixel.
    pub variance: f64,
}

impl ScoreModel for Gaussian {
    /// `(mean − x) / (variance + std²)`
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.mean.broadcast_sub(x)? / (self.variance + std * std)
    }
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        Self::log_density(self, x, std).map(Some)
    }
}

/// `Σ_k w_k N(mean_k, variance_k I)`.
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    /// The components.
    pub components: Vec<Gaussian>,
    /// Their weights, positive.
    pub weights: Vec<f64>,
}

impl GaussianMixture {
    /// `log(w_k N(x; mean_k, (variance_k + std²) I))` of every image, up to a constant all components share.
    fn weighted_log_density(&self, k: usize, x: &Tensor, std: f64) -> Result<Vec<f64>> {
        let Gaussian { mean, variance } = &self.components[k];
        let variance = variance + std * std;
        let difference = x.to_dtype(DType::F64)?.broadcast_sub(&mean.to_dtype(DType::F64)?)?;
        let squares = difference.flatten_from(1)?.sqr()?;
        let constant = self.weights[k].ln() - 0.5 * squares.dim(1)? as f64 * variance.ln();
        squares.sum(1)?.affine(-0.5 / variance, constant)?.to_vec1()
    }

    /// `log p(x; std)` of every image, in nats.
    ///
    /// # Errors
    /// When the tensor cannot be reduced or copied to the host.
    pub fn log_density(&self, x: &Tensor, std: f64) -> Result<Vec<f64>> {
        let logs = (0..self.components.len())
            .map(|k| self.weighted_log_density(k, x, std))
            .collect::<Result<Vec<_>>>()?;
        let total: f64 = self.weights.iter().sum();
        let constant = 0.5 * (x.elem_count() / x.dim(0)?.max(1)) as f64 * (2.0 * PI).ln() + total.ln();
        let log_sum = |i: usize| {
            let largest = logs.iter().map(|log| log[i]).fold(f64::NEG_INFINITY, f64::max);
            largest + logs.iter().map(|log| (log[i] - largest).exp()).sum::<f64>().ln()
        };
        Ok((0..x.dim(0)?).map(|i| log_sum(i) - constant).collect())
    }

    /// [`GaussianMixture::responsibilities`] as factors on the images of a batch, `[k]` of `[image, 1, 1, 1]`.
    pub(in crate::score) fn shares(&self, x: &Tensor, std: f64) -> Result<Vec<Tensor>> {
        let shape = (x.dim(0)?, 1, 1, 1);
        let tensor = |shares| Tensor::from_vec(shares, shape, x.device())?.to_dtype(x.dtype());
        self.responsibilities(x, std)?.into_iter().map(tensor).collect()
    }

    /// The probability of component `k` given each image, `[k][image]`.
    fn responsibilities(&self, x: &Tensor, std: f64) -> Result<Vec<Vec<f64>>> {
        let logs = (0..self.components.len())
            .map(|k| self.weighted_log_density(k, x, std))
            .collect::<Result<Vec<_>>>()?;
        // Relative to the largest, since exp of the raw logarithms would be 0 for every component.
        let relative = |k: usize, i: usize| {
            let largest = logs.iter().map(|log| log[i]).fold(f64::NEG_INFINITY, f64::max);
            (logs[k][i] - largest).exp()
        };
        let images = x.dim(0)?;
        let total = |i: usize| (0..logs.len()).map(|k| relative(k, i)).sum::<f64>();
        Ok((0..logs.len()).map(|k| (0..images).map(|i| relative(k, i) / total(i)).collect()).collect())
    }
}

impl ScoreModel for GaussianMixture {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        let mut sum = x.zeros_like()?;
        for (component, share) in self.components.iter().zip(self.shares(x, std)?) {
            sum = (sum + component.score(x, std)?.broadcast_mul(&share)?)?;
        }
        Ok(sum)
    }
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        Self::log_density(self, x, std).map(Some)
    }
}

/// `E[x | y]` for `x ~ N(mean, variance I)` and `y = A x + N(0, noise_std² I)`:
/// `mean + v (v AᴴA + n² I)⁻¹ Aᴴ (y − A mean)`, by conjugate gradients until they stall or `iterations`.
pub fn linear_posterior_mean<T: Transform<Image = Array2<f32>>>(
    problem: &Problem<T>,
    mean: &Array2<f32>,
    variance: f32,
    noise_std: f32,
    iterations: usize,
) -> Array2<f32> {
    let mut misfit = problem.measured.clone();
    misfit.add_scaled(-1.0, &problem.forward(mean));
    let right = problem.adjoint(&misfit) * variance;
    let apply = |d: &Array2<f32>| problem.normal(d) * variance + d * (noise_std * noise_std);
    mean + &conjugate_gradient(apply, &right, Array2::zeros(mean.dim()), iterations, 1e-6)
}

impl Gaussian {
    /// `N(mean, variance I)` for a mean image on the host.
    ///
    /// # Errors
    /// When the device refuses the memory.
    pub fn new(mean: &Array2<f32>, variance: f64, device: &Device) -> Result<Self> {
        Ok(Self {
            mean: crate::score::measure::bridge::to_tensor(std::slice::from_ref(mean), device)?,
            variance,
        })
    }

    /// `log N(x; mean, (variance + std²) I)` of every image, in nats.
    ///
    /// # Errors
    /// When the tensor cannot be reduced or copied to the host.
    pub fn log_density(&self, x: &Tensor, std: f64) -> Result<Vec<f64>> {
        GaussianMixture { components: vec![self.clone()], weights: vec![1.0] }.log_density(x, std)
    }
}
