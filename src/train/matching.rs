//! Objectives of score matching that need no noise, and the one that does, as plain formulas.
//!
//! Chapter 3 of the dissertation: for a model `s` of `∇ log p` and images drawn from `p`, each is an unbiased
//! estimate, up to a constant that does not depend on the model, of `E ½‖s − ∇ log p‖²`. All give one number
//! an image. Those that take a model evaluate it in closed form or by gradients, to judge it; those that
//! take tensors can be differentiated by a network's parameters, to train it.

use crate::score::{Differentiable, Noise, Trace};
use candle_core::{Result, Tensor};

/// The scalar product of every image with its partner, `[batch]`.
fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    (a * b)?.flatten_from(1)?.sum(1)
}

/// Explicit score matching `½‖s − ∇ log p‖²`, where the score is known: what the others estimate.
///
/// # Errors
/// When shapes differ.
pub fn explicit(score: &Tensor, exact: &Tensor) -> Result<Tensor> {
    let error = (score - exact)?;
    product(&error, &error)? * 0.5
}

/// Denoising score matching `½‖s(x + σ z) + z/σ‖²` (Vincent 2011), from the score at the noisy image: what
/// it estimates is the distance from the score of the *noisy* images.
///
/// # Errors
/// When shapes differ.
pub fn denoising(score: &Tensor, noise: &Tensor, std: f64) -> Result<Tensor> {
    explicit(score, &(noise / -std)?)
}

/// [`denoising`] with the control variate (B.2), `−s(x)·z/σ − ‖z‖²/2σ² + D/2σ²`, of mean 0: at small noise
/// levels its scatter stays bounded. `at_clean` is the score at the image without noise.
///
/// # Errors
/// When shapes differ.
pub fn denoising_controlled(score: &Tensor, at_clean: &Tensor, noise: &Tensor, std: f64) -> Result<Tensor> {
    let pixels = (noise.elem_count() / noise.dim(0)?.max(1)) as f64;
    let odd = (product(at_clean, noise)? / std)?;
    let even = product(noise, noise)?.affine(0.5 / (std * std), -0.5 * pixels / (std * std))?;
    (denoising(score, noise, std)? - odd)? - even
}

/// Whether sliced score matching takes `(s·v)²` or its mean over directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sliced {
    /// `v·J v + ½ (s·v)²`, (3.7).
    Projected,
    /// `v·J v + ½ ‖s‖²`: the same mean for any `v` with `E[v vᵀ] = I`, and less scatter ("SSM-VR").
    #[default]
    ReducedVariance,
}

impl Sliced {
    fn energy(self, score: &Tensor, v: &Tensor) -> Result<Tensor> {
        let squares = match self {
            Self::Projected => product(score, v)?.sqr()?,
            Self::ReducedVariance => product(score, score)?,
        };
        squares * 0.5
    }

    /// The objective of a model at images `x` along one direction `v` an image.
    ///
    /// # Errors
    /// When the model fails or has no gradient.
    pub fn evaluate(self, model: &dyn Differentiable, x: &Tensor, std: f64, v: &Tensor) -> Result<Tensor> {
        let (score, slopes) = model.score_and_slopes(x, std, std::slice::from_ref(v))?;
        let mut sum = self.energy(&score, v)?;
        for slope in &slopes {
            sum = (sum + product(slope, v)?)?;
        }
        Ok(sum)
    }

    /// The same with `J v` by a central difference of length `step`, off by `O(step²)`:
    /// `v·(s(x + h v) − s(x − h v))/2h` (Pang et al., "Efficient Learning of Generative Models via
    /// Finite-Difference Score Matching", 2020). One backward pass through it trains a network, which a
    /// gradient of a gradient would need otherwise.
    ///
    /// # Errors
    /// When the score fails or shapes differ.
    pub fn differenced(
        self,
        score: &dyn Fn(&Tensor) -> Result<Tensor>,
        x: &Tensor,
        v: &Tensor,
        step: f64,
    ) -> Result<Tensor> {
        let moved = (v * step)?;
        let rise = (score(&(x + &moved)?)? - score(&(x - &moved)?)?)?;
        (product(&rise, v)? / (2.0 * step))? + self.energy(&score(x)?, v)?
    }
}

/// Implicit score matching `tr J + ½‖s‖²` (Hyvärinen 2005) with the exact trace: one gradient a pixel.
///
/// # Errors
/// When the model fails or has no gradient.
pub fn implicit(model: &dyn Differentiable, x: &Tensor, std: f64) -> Result<Tensor> {
    let directions = Trace::Exact.directions(x, &mut Noise::recorded([]))?;
    let (score, slopes) = model.score_and_slopes(x, std, &directions)?;
    let mut sum = (product(&score, &score)? * 0.5)?;
    for (slope, v) in slopes.iter().zip(&directions) {
        sum = (sum + product(slope, v)?)?;
    }
    Ok(sum)
}
