//! The forward processes that turn images into noise.
//!
//! All are `dx = f(t) x dt + g(t) dw` on `t ∈ [0, 1]` with scalar coefficients (Song et al., "Score-Based
//! Generative Modeling through Stochastic Differential Equations", 2021, Appendix B and C), so that
//! `pₜ(x | x₀) = N(m(t) x₀, s(t)² I)`. Coefficients are computed in double precision.

use super::Noise;
use candle_core::{DType, Result, Tensor};
use std::f64::consts::PI;

/// `m` and `s` of `pₜ(x | x₀) = N(m x₀, s² I)`; the dissertation writes `α(t)` and `β(t)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marginal {
    /// `m(t)`, the factor on the clean image.
    pub mean: f64,
    /// `s(t)`, the standard deviation of the noise.
    pub std: f64,
}

/// Coefficients of an ancestral step `x ← scale (x + variance · score) + std z`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AncestralStep {
    /// Factor on the mean.
    pub scale: f64,
    /// Factor on the score.
    pub variance: f64,
    /// Standard deviation of the fresh noise.
    pub std: f64,
}

/// A forward process with scalar coefficients.
pub trait Sde: Send + Sync {
    /// `f(t)`
    fn drift(&self, t: f64) -> f64;
    /// `g(t)`
    fn diffusion(&self, t: f64) -> f64;
    /// `m(t)`, `s(t)`
    fn marginal(&self, t: f64) -> Marginal;
    /// Standard deviation of the distribution that sampling starts from.
    fn prior_std(&self) -> f64;

    /// `(a, G)` of the forward step `x ← x + a x + G z` when `[0, 1]` is cut into `steps`.
    ///
    /// Euler-Maruyama unless the process has a discretisation of its own.
    fn discretize(&self, t: f64, steps: usize) -> (f64, f64) {
        let dt = 1.0 / steps as f64;
        (self.drift(t) * dt, self.diffusion(t) * dt.sqrt())
    }

    /// The ancestral step at `t`, where the process is the limit of a Markov chain with a known one.
    fn ancestral(&self, _t: f64, _steps: usize) -> Option<AncestralStep> {
        None
    }

    /// `α` in the step size of Langevin correctors: 1 for VE, `1 − βᵢ` for VP.
    fn langevin_scale(&self, _t: f64, _steps: usize) -> f64 {
        1.0
    }

    /// `σ(t) = s(t)/m(t)`, the noise level of `x/m`, which is the clean image with noise added; it rises with `t`.
    fn noise_level(&self, t: f64) -> f64 {
        let Marginal { mean, std } = self.marginal(t);
        std / mean
    }

    /// The time in `[0, 1]` at which [`Sde::noise_level`] is `level`; the nearer end where it never is.
    fn time_of(&self, level: f64) -> f64 {
        let (mut below, mut above) = (0.0, 1.0);
        for _ in 0..TIME_BITS {
            let middle = 0.5 * (below + above);
            *(if self.noise_level(middle) < level { &mut below } else { &mut above }) = middle;
        }
        0.5 * (below + above)
    }

    /// A batch from the distribution that sampling starts from, `N(0, prior_std² I)`. One draw.
    ///
    /// # Errors
    /// When the noise has come to its end.
    fn sample_prior(&self, noise: &mut Noise) -> Result<Tensor> {
        noise.draw()? * self.prior_std()
    }

    /// `log N(x; 0, prior_std² I)` of every image of a batch, in nats.
    ///
    /// # Errors
    /// When the tensor cannot be reduced or copied to the host.
    fn prior_log_density(&self, x: &Tensor) -> Result<Vec<f64>> {
        let flat = x.to_dtype(DType::F64)?.flatten_from(1)?;
        let variance = self.prior_std().powi(2);
        let constant = -0.5 * flat.dim(1)? as f64 * (2.0 * PI * variance).ln();
        flat.sqr()?.sum(1)?.affine(-0.5 / variance, constant)?.to_vec1()
    }
}

/// Bisections behind [`Sde::time_of`]: as fine as a double near 1.
const TIME_BITS: usize = 60;

/// A process chosen while the program runs.
impl<S: Sde + ?Sized> Sde for Box<S> {
    fn drift(&self, t: f64) -> f64 {
        (**self).drift(t)
    }
    fn diffusion(&self, t: f64) -> f64 {
        (**self).diffusion(t)
    }
    fn marginal(&self, t: f64) -> Marginal {
        (**self).marginal(t)
    }
    fn prior_std(&self) -> f64 {
        (**self).prior_std()
    }
    fn discretize(&self, t: f64, steps: usize) -> (f64, f64) {
        (**self).discretize(t, steps)
    }
    fn ancestral(&self, t: f64, steps: usize) -> Option<AncestralStep> {
        (**self).ancestral(t, steps)
    }
    fn langevin_scale(&self, t: f64, steps: usize) -> f64 {
        (**self).langevin_scale(t, steps)
    }
}

/// Index of time `t` on a grid of `steps` points over `[0, 1]`, cut off in single precision as the published
/// implementation does, so that both name the same point.
pub(in crate::score) fn grid_index(t: f64, steps: usize) -> usize {
    (t as f32 * steps.saturating_sub(1) as f32) as usize
}
