//! Scores of posteriors: a prior's score and the slope of a log-likelihood.
//!
//! `∇ log p(x | y; σ) = ∇ log p(x; σ) + ∇ log p(y | x; σ)` for images `x = x₀ + σ z` with noise, in the variables
//! of a [`ScoreModel`], so that one wrapper serves every process and every sampler. The second term is known for
//! the clean image only. A [`Guidance`] is an approximation of it; it looks at the noisy image ([`Guided`]), or at
//! the denoised one and is followed back through the network ([`GuidedDenoiser`]).

use crate::score::ScoreModel;
use crate::score::model::{Differentiable, Linearised};
use crate::score::moves::Update;
use crate::score::process::Moment;
use crate::score::process::Noise;
use candle_core::{Result, Tensor};

/// The slope of a log-likelihood.
pub trait Guidance: Send + Sync {
    /// `∇_u log p(y | u)`, as this guidance has it at noise level `std`, for every image `u` of a batch in model
    /// units.
    ///
    /// # Errors
    /// When the guidance is not defined for the measurement, or the tensor operations fail.
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor>;
}

impl<G: Guidance + ?Sized> Guidance for &G {
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor> {
        (**self).slope(u, std)
    }
}

/// `s(x; σ) + g(x; σ)`: guidance by the noisy image itself.
pub struct Guided<M, G> {
    /// `s`
    pub prior: M,
    /// `g`
    pub guidance: G,
}

impl<M: ScoreModel, G: Guidance> ScoreModel for Guided<M, G> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.prior.score(x, std)? + self.guidance.slope(x, std)?
    }
}

/// `s(x; σ) + J_Dᵀ g(D; σ)` with the denoised image `D = x + σ² s(x; σ)` and `J_D = I + σ² J_s`: guidance through
/// the network. One evaluation forwards and one backwards.
pub struct GuidedDenoiser<M, G> {
    /// `s`
    pub prior: M,
    /// `g`
    pub guidance: G,
}

impl<M: Differentiable, G: Guidance> ScoreModel for GuidedDenoiser<M, G> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        let at: Linearised = self.prior.linearise(x, std)?;
        let variance = std * std;
        let slope = self.guidance.slope(&(x + (&at.score * variance)?)?, std)?;
        let through = (at.slope(&slope)? * variance)?;
        at.score + (slope + through)?
    }
}

/// A move guided by the noisy image, in a sampler that knows the prior alone otherwise: as in the published code, the
/// last denoising is then the prior's.
pub struct GuidedMove<U, G> {
    /// The move.
    pub moves: U,
    /// What compares image and measurement.
    pub guidance: G,
}

impl<U: Update, G: Guidance> Update for GuidedMove<U, G> {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        self.moves.update(x, at, &Guided { prior: model, guidance: &self.guidance }, noise)
    }
}

/// A [`GuidedMove`] by a measurement that was made noisy, anew for every call: `ŷₜ = m y + s A z` in (B.36) of the
/// dissertation.
///
/// Comparing `x/m = x₀ + σ z'` with `ŷₜ/m = y + σ A z` is comparing `x/m − σ z` with `y`, so that any guidance by
/// the noisy image will do; the published one is a [`super::LikelihoodGradient`].
///
/// Noise: one draw for `z`, which all scores of the call share, then that of the move.
pub struct NoisyMeasurement<U, G> {
    /// The move.
    pub moves: U,
    /// What compares image and measurement.
    pub guidance: G,
}

impl<U: Update, G: Guidance> Update for NoisyMeasurement<U, G> {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let guidance = Shifted { guidance: &self.guidance, z: noise.draw()? };
        self.moves.update(x, at, &Guided { prior: model, guidance }, noise)
    }
}

/// `g(u − σ z; σ)`
struct Shifted<'a> {
    guidance: &'a dyn Guidance,
    z: Tensor,
}

impl Guidance for Shifted<'_> {
    fn slope(&self, u: &Tensor, std: f64) -> Result<Tensor> {
        self.guidance.slope(&(u - (&self.z * std)?)?, std)
    }
}
