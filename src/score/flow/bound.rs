//! A bound on the likelihood of the reverse-time SDE, without solving an ODE and without gradients.

use crate::score::ScoreModel;
use crate::score::model::Differentiable;
use crate::score::process::Moment;
use crate::score::process::{Noise, Sde};
use crate::score::tensors::dot;
use crate::score::uncertainty::TweedieCovariance;
use anyhow::Result;
use candle_core::Tensor;
use std::f64::consts::PI;

/// The bound `−log p(x) ≤ L` of Theorem 9.3 in its denoising form, from `t_end` on, with the correction
/// (B.41) for the beginning:
///
/// ```text
/// L = −E log π(x₁) + Λ/2 E‖e(t)‖² − D Λ/2 − D ln m(1) + E‖e(t_end)‖²/2 − D/2
/// e(t) = z + s(t) ∇ log pₜ(m x + s z),   Λ = ln σ²(1) − ln σ²(t_end),   σ = s/m
/// ```
///
/// with `D` pixels and the expectations that have a closed form put in. Times are drawn from `g²/s²` (9.12);
/// because `g²/s² = d ln σ²/dt` for every process with scalar coefficients, that is `ln σ` uniform. Four
/// things lower the variance and leave the estimate unbiased:
///
/// - each of `times` equal parts of that range gets one draw, in falling order;
/// - the draws in two neighbouring parts are mirror images, so that what is linear in `ln σ` there cancels;
/// - `‖e‖²` is the mean over `z` and `−z`, in which what is odd in `z` cancels;
/// - `c (‖z‖² − D)`, whose mean is 0, is subtracted. The half difference `d` of the two `e` is what is
///   linear in `z`, and `c = ‖d‖²/‖z‖²` of the draw before, which this `z` does not depend on (0 for the
///   first, where the noise is so strong that nothing is wrong yet). For an isotropic Gaussian nothing of
///   the scatter by `z` is left, neither on the way nor in the last term, which is drawn last.
#[derive(Clone, Copy)]
pub struct LikelihoodBound<'a> {
    /// The process.
    pub sde: &'a dyn Sde,
    /// The time that counts as the image's.
    pub t_end: f64,
    /// How many times are drawn for an image, at two calls each; raised to an even number, and to 6. See
    /// [`LikelihoodBound::TIMES`].
    pub times: usize,
}

/// An estimate of the bound for every image.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// `L`, an upper bound on `−log p(x)`, in nats.
    pub nats: Vec<f64>,
    /// Its Monte-Carlo standard error, from the second differences of successive pairs of times.
    pub standard_error: Vec<f64>,
    /// How often the model was called.
    pub calls: usize,
}

impl LikelihoodBound<'_> {
    /// As many times as the published evaluation draws.
    pub const TIMES: usize = 1000;

    /// The bound for every image of a batch, which share the drawn times of the first image. Draws
    /// for every two times a uniform number an image and two normal batches, then a normal batch for the
    /// last term.
    ///
    /// # Errors
    /// When the model or the noise fails.
    pub fn evaluate(&self, model: &dyn ScoreModel, x: &Tensor, noise: &mut Noise) -> Result<Bound> {
        let (low, high) = (self.sde.noise_level(self.t_end).ln(), self.sde.noise_level(1.0).ln());
        let pairs = self.pairs();
        let width = (high - low) / pairs as f64;
        let mut shares = vec![0.0; x.dim(0)?];
        let mut errors = Vec::with_capacity(pairs);
        for pair in 0..pairs {
            let offset = 0.5 * noise.uniform(1)?.first().map_or(0.5, |u| u[0]);
            let mut at = |offset: f64| {
                let level = high - width * (pair as f64 + offset);
                self.squared_error(model, x, self.sde.time_of(level.exp()), &mut shares, noise)
            };
            let (first, second) = (at(offset)?, at(1.0 - offset)?);
            errors.push(first.iter().zip(second).map(|(a, b)| 0.5 * (a + b)).collect());
        }
        let last = self.squared_error(model, x, self.t_end, &mut shares, noise)?;
        let constant = self.constants(x, high - low)?;
        let summary: Vec<_> = (0..last.len()).map(|i| mean_and_error(&errors, i)).collect();
        let nats = summary.iter().enumerate();
        Ok(Bound {
            nats: nats.map(|(i, (mean, _))| constant[i] + (high - low) * mean + 0.5 * last[i]).collect(),
            standard_error: summary.iter().map(|(_, error)| (high - low) * error).collect(),
            calls: 2 * (2 * pairs + 1),
        })
    }

    /// How many pairs of neighbouring parts there are.
    fn pairs(&self) -> usize {
        self.times.div_ceil(2).max(3)
    }

    /// An unbiased estimate of the gradient of the bound by `x`, of its shape. In `x/m` the gradient of
    /// `‖e‖²` is `2 σ J(x + σ z)ᵀ e`, averaged over `z` and `−z`, which leaves no scatter for a Gaussian.
    /// Two gradients of the model for every time; draws as [`LikelihoodBound::evaluate`].
    ///
    /// # Errors
    /// As [`LikelihoodBound::evaluate`], and when the model has no gradient.
    pub fn slope(&self, model: &dyn Differentiable, x: &Tensor, noise: &mut Noise) -> Result<Tensor> {
        let (low, high) = (self.sde.noise_level(self.t_end).ln(), self.sde.noise_level(1.0).ln());
        let pairs = self.pairs();
        let width = (high - low) / pairs as f64;
        let mut sum = x.zeros_like()?;
        for pair in 0..pairs {
            let offset = 0.5 * noise.uniform(1)?.first().map_or(0.5, |u| u[0]);
            for offset in [offset, 1.0 - offset] {
                let level = (high - width * (pair as f64 + offset)).exp();
                sum = (sum + (slope_at(model, x, level, noise)? * (0.5 * width))?)?;
            }
        }
        sum = (sum + (slope_at(model, x, low.exp(), noise)? * 0.5)?)?;
        let end = self.sde.marginal(1.0).mean / self.sde.prior_std();
        Ok((sum + (x * (end * end))?)?)
    }

    /// `‖e‖² − c (‖z‖² − D)` of every image, the mean over `z` and `−z`; `shares` holds `c` and gets that
    /// of this draw.
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
        let error = |z: &Tensor| {
            let noisy = (&clean + (z * marginal.std)?)?;
            z + (at.score(model, &noisy)? * marginal.std)?
        };
        let (plus, minus) = (error(&z)?, error(&z.neg()?)?);
        // ‖e‖² averaged over both signs is the sum of these.
        let (odd, even) = (((&plus - &minus)? * 0.5)?, ((plus + minus)? * 0.5)?);
        let lengths = |v: &Tensor| dot(v, v)?.to_vec1::<f64>();
        let (odd, even, z) = (lengths(&odd)?, lengths(&even)?, lengths(&z)?);
        let pixels = (x.elem_count() / x.dim(0)?.max(1)) as f64;
        let controlled = odd.iter().zip(even).zip(z).zip(shares).map(|(((odd, even), z), share)| {
            let value = odd + even - *share * (z - pixels);
            // More than 1 is no fit to noise at all, and a bad one to learn from.
            *share = (odd / z).min(1.0);
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

/// The gradient of `‖e‖²` by the image, for one `z` and its negative.
fn slope_at(
    model: &dyn Differentiable,
    x: &Tensor,
    std: f64,
    noise: &mut Noise,
) -> candle_core::Result<Tensor> {
    let z = noise.draw()?.to_dtype(x.dtype())?;
    let one = |z: &Tensor| -> candle_core::Result<Tensor> {
        let noisy = (x + (z * std)?)?;
        let error = (z + (model.score(&noisy, std)? * std)?)?;
        let slopes = TweedieCovariance { model, x: &noisy, std }.second_order_scores(&[error])?;
        slopes.into_iter().try_fold(x.zeros_like()?, |sum, slope| sum + slope)
    };
    // The mean of both signs, times 2σ.
    (one(&z)? + one(&z.neg()?)?)? * std
}

/// The mean over pairs of image `i`, and its standard error: neighbouring pairs have nearly the same mean,
/// and a nearly constant trend, so that their second differences show the noise alone.
fn mean_and_error(pairs: &[Vec<f64>], i: usize) -> (f64, f64) {
    let count = pairs.len() as f64;
    let mean = pairs.iter().map(|pair| pair[i]).sum::<f64>() / count;
    let noise = pairs.windows(3).map(|three| (three[0][i] - 2.0 * three[1][i] + three[2][i]).powi(2));
    // A second difference of independent numbers has six times their variance.
    let variance = noise.sum::<f64>() / (6.0 * (count - 2.0));
    (mean, (variance / count).sqrt())
}
