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
/// `times` equal parts of that range gets one draw, in rising order. From `‖e‖²` the estimate subtracts
/// `c (‖z‖² − D)`, whose mean is 0, with `c = ‖e‖²/D` of the draw before, which `z` does not depend on: at low noise
/// `e` is nearly `z`; and it is the mean over `z` and `−z`, in which what is odd in `z` cancels. All three
/// leave the estimate unbiased and lower its variance.
#[derive(Clone, Copy)]
pub struct LikelihoodBound<'a> {
    /// The process.
    pub sde: &'a dyn Sde,
    /// The time that counts as the image's.
    pub t_end: f64,
    /// How many times are drawn for an image, at two calls each; the published evaluation draws 1000.
    pub times: usize,
}

/// An estimate of the bound for every image.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// `L`, an upper bound on `−log p(x)`, in nats.
    pub nats: Vec<f64>,
    /// Its Monte-Carlo standard error, from the differences of successive times.
    pub standard_error: Vec<f64>,
    /// How often the model was called.
    pub calls: usize,
}

impl LikelihoodBound<'_> {
    /// The bound for every image of a batch, which share the drawn times of the first image. Draws a
    /// normal batch for the beginning, then a uniform number an image and a normal batch for every time.
    ///
    /// # Errors
    /// When fewer than two times are asked for, or the model or the noise fails.
    pub fn evaluate(&self, model: &dyn ScoreModel, x: &Tensor, noise: &mut Noise) -> Result<Bound> {
        ensure!(self.times >= 2, "the bound needs at least two times");
        let (low, high) = (self.sde.noise_level(self.t_end).ln(), self.sde.noise_level(1.0).ln());
        let mut errors = Vec::with_capacity(self.times);
        let mut shares = vec![1.0; x.dim(0)?];
        let last = self.squared_error(model, x, self.t_end, &mut shares, noise)?;
        for part in 0..self.times {
            let uniform = noise.uniform(1)?.first().map_or(0.5, |u| u[0]);
            let level = low + (high - low) * (part as f64 + uniform) / self.times as f64;
            errors.push(self.squared_error(model, x, self.sde.time_of(level.exp()), &mut shares, noise)?);
        }
        let constant = self.constants(x, high - low)?;
        let count = self.times as f64;
        let mean = |i: usize| errors.iter().map(|e| e[i]).sum::<f64>() / count;
        // Neighbouring parts have nearly the same mean: their differences show the noise alone.
        let noise = |i: usize| errors.windows(2).map(|pair| (pair[1][i] - pair[0][i]).powi(2)).sum::<f64>();
        let variance = |i: usize| noise(i) / (2.0 * (count - 1.0));
        let images = 0..last.len();
        Ok(Bound {
            nats: images.clone().map(|i| constant[i] + (high - low) * mean(i) + 0.5 * last[i]).collect(),
            standard_error: images.map(|i| (high - low) * (variance(i) / count).sqrt()).collect(),
            calls: 2 * (self.times + 1),
        })
    }

    /// `‖e‖² − c (‖z‖² − D)` of every image, the mean over `z` and `−z`; `shares` holds `c` and gets that of this
    /// draw.
    fn squared_error(
        &self,
        model: &dyn ScoreModel,
        x: &Tensor,
        t: f64,
        shares: &mut [f64],
        noise: &mut Noise,
    ) -> candle_core::Result<Vec<f64>> {
        let at = Moment { sde: self.sde, t, steps: 1 };
        let marginal = at.marginal();
        let z = noise.draw()?.to_dtype(x.dtype())?;
        let clean = (x * marginal.mean)?;
        let squares = |z: &Tensor| {
            let noisy = (&clean + (z * marginal.std)?)?;
            let error = (z + (at.score(model, &noisy)? * marginal.std)?)?;
            dot(&error, &error)?.to_vec1::<f64>()
        };
        let both = squares(&z)?.into_iter().zip(squares(&z.neg()?)?).map(|(a, b)| 0.5 * (a + b));
        let lengths: Vec<f64> = dot(&z, &z)?.to_vec1()?;
        let pixels = (x.elem_count() / x.dim(0)?.max(1)) as f64;
        let controlled = both.zip(lengths).zip(shares).map(|((error, z), share)| {
            let value = error - *share * (z - pixels);
            // More than 1 is no fit to noise at all, and a bad one to learn from.
            *share = (error / pixels).min(1.0);
            value
        });
        Ok(controlled.collect())
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
