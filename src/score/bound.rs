//! A bound on the likelihood of the reverse-time SDE, without solving an ODE and without gradients.

use super::hamiltonian::dot;
use super::{Moment, Noise, ScoreModel, Sde};
use anyhow::{Result, ensure};
use candle_core::Tensor;
use std::f64::consts::PI;

/// The bound `−log p(x) ≤ L` of Theorem 9.3 in its denoising form, from `t_end` on, with the correction (B.41)
/// for the beginning:
///
/// ```text
/// L = −E log π(x₁) + Λ/2 E‖e(t)‖² − D Λ/2 − D ln m(1) + E‖e(t_end)‖²/2 − D/2
/// e(t) = z + s(t) ∇ log pₜ(m x + s z),   Λ = ln σ²(1) − ln σ²(t_end),   σ = s/m
/// ```
///
/// with `D` pixels and the expectations that have a closed form put in. Times are drawn from `g²/s²` (9.12);
/// because `g²/s² = d ln σ²/dt` for every process with scalar coefficients, that is `ln σ` uniform. Each of the
/// `times` equal parts of that range gets one draw, which leaves the estimate unbiased and lowers its variance.
#[derive(Clone, Copy)]
pub struct LikelihoodBound<'a> {
    /// The process.
    pub sde: &'a dyn Sde,
    /// The time that counts as the image's.
    pub t_end: f64,
    /// How many times are drawn for an image; the published evaluation draws 1000.
    pub times: usize,
}

/// An estimate of the bound for every image.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// `L`, an upper bound on `−log p(x)`, in nats.
    pub nats: Vec<f64>,
    /// Its Monte-Carlo standard error, taking the times as independent: a little too large.
    pub standard_error: Vec<f64>,
    /// How often the model was called.
    pub calls: usize,
}

impl LikelihoodBound<'_> {
    /// The bound for every image of a batch, which share the drawn times of the first image. Draws one uniform
    /// number and one normal batch a time, then one more normal batch.
    ///
    /// # Errors
    /// When fewer than two times are asked for, or the model or the noise fails.
    pub fn evaluate(&self, model: &dyn ScoreModel, x: &Tensor, noise: &mut Noise) -> Result<Bound> {
        ensure!(self.times >= 2, "the bound needs at least two times");
        let (low, high) = (self.sde.noise_level(self.t_end).ln(), self.sde.noise_level(1.0).ln());
        let mut errors = Vec::with_capacity(self.times);
        for part in 0..self.times {
            let uniform = noise.uniform(1)?.first().map_or(0.5, |u| u[0]);
            let level = low + (high - low) * (part as f64 + uniform) / self.times as f64;
            errors.push(self.squared_error(model, x, self.sde.time_of(level.exp()), noise)?);
        }
        let last = self.squared_error(model, x, self.t_end, noise)?;
        let constant = self.constants(x, high - low)?;
        let count = self.times as f64;
        let mean = |i: usize| errors.iter().map(|e| e[i]).sum::<f64>() / count;
        let variance =
            |i: usize| errors.iter().map(|e| (e[i] - mean(i)).powi(2)).sum::<f64>() / (count - 1.0);
        let images = 0..last.len();
        Ok(Bound {
            nats: images.clone().map(|i| constant[i] + (high - low) * mean(i) + 0.5 * last[i]).collect(),
            standard_error: images.map(|i| (high - low) * (variance(i) / count).sqrt()).collect(),
            calls: self.times + 1,
        })
    }

    /// `‖z + s ∇ log pₜ(m x + s z)‖²` of every image for one draw of `z`.
    fn squared_error(
        &self,
        model: &dyn ScoreModel,
        x: &Tensor,
        t: f64,
        noise: &mut Noise,
    ) -> candle_core::Result<Vec<f64>> {
        let at = Moment { sde: self.sde, t, steps: 1 };
        let marginal = at.marginal();
        let z = noise.draw()?.to_dtype(x.dtype())?;
        let noisy = ((x * marginal.mean)? + (&z * marginal.std)?)?;
        let error = (z + (at.score(model, &noisy)? * marginal.std)?)?;
        dot(&error, &error)?.to_vec1()
    }

    /// Everything in the bound that needs no model, `half` being `Λ/2`.
    fn constants(&self, x: &Tensor, half: f64) -> candle_core::Result<Vec<f64>> {
        let last = self.sde.marginal(1.0);
        let variance = self.sde.prior_std().powi(2);
        let pixels = (x.elem_count() / x.dim(0)?.max(1)) as f64;
        let spread = pixels * (0.5 * ((2.0 * PI * variance).ln() + last.std.powi(2) / variance));
        let rest = pixels * (half + last.mean.ln() + 0.5);
        let squares: Vec<f64> = dot(x, x)?.to_vec1()?;
        Ok(squares.iter().map(|s| 0.5 * last.mean.powi(2) * s / variance + spread - rest).collect())
    }
}
