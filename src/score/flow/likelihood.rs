//! The likelihood of images under a model, by its probability flow.

use super::ProbabilityFlow;
use crate::score::model::{Differentiable, Trace};
use crate::score::process::Noise;
use crate::score::tensors::{like, numbers};
use anyhow::{Result, ensure};
use candle_core::Tensor;
use std::f64::consts::LN_2;

/// `log p(x) = log π(z) + ∫ ∇·(dx/dt) dt` along the probability flow from `x` at `t_end` to `z` at 1
/// (dissertation, appendix B.5.4, after Grathwohl et al., "FFJORD", 2019), with `π` the prior of the process.
///
/// It is the density of what the flow makes of `π`: for an exact score the distribution at noise level
/// `s(t_end)`, up to the solver's tolerance and the distance between `π` and the process at time 1. A random
/// trace makes it an unbiased estimate of the logarithm. Image, latent and divergences are one state of the
/// solver, as in the published code: all images of a batch share its steps.
#[derive(Clone, Copy)]
pub struct FlowLikelihood<'a> {
    /// The flow.
    pub flow: ProbabilityFlow<'a>,
    /// How its divergence is found.
    pub trace: Trace,
}

/// What a [`FlowLikelihood`] found.
#[derive(Clone, Debug)]
pub struct LogLikelihood {
    /// `log p(x)` of every image in nats; densities have the unit of the batch's numbers.
    pub nats: Vec<f64>,
    /// Its standard error from the spread of the random directions, if there were at least two.
    pub standard_error: Option<Vec<f64>>,
    /// The latents.
    pub z: Tensor,
    /// How often the model was asked for its score and its slopes.
    pub calls: usize,
}

/// Directions, and the estimates of the trace of the identity that they give.
struct Probes {
    directions: Vec<Tensor>,
    identity: Vec<f64>,
}

impl FlowLikelihood<'_> {
    /// The likelihood of every image of a batch. Draws as [`Trace::directions`] says; the directions are the same
    /// all along the flow.
    ///
    /// # Errors
    /// When there is no direction, the model or the noise fails, or the solver cannot reach its tolerance.
    pub fn evaluate(
        &self,
        model: &dyn Differentiable,
        x: &Tensor,
        noise: &mut Noise,
    ) -> Result<LogLikelihood> {
        ensure!(self.trace.estimates() > 0, "a random trace needs at least one direction");
        let directions = self.trace.directions(x, noise)?;
        // The drift is measured with the same directions: where both parts of the divergence are large they
        // cancel, and so do their errors.
        let identity = self.trace.traces(&directions, &directions)?.concat();
        let probes = Probes { directions, identity };
        let pixels = x.elem_count();
        let mut state = numbers(x)?;
        state.resize(pixels + self.trace.estimates() * x.dim(0)?, 0.0);
        let mut slope = |t: f64, state: &[f64]| self.slope(model, &like(x, &state[..pixels])?, t, &probes);
        let span = (self.flow.t_end, 1.0);
        let end = self.flow.solver.integrate(&mut slope, span, state, &mut |_| Ok(()))?;
        let z = like(x, &end.state[..pixels])?;
        let prior = self.flow.sde.prior_log_density(&z)?;
        let (change, standard_error) = summary(&end.state[pixels..], prior.len());
        let nats = prior.iter().zip(change).map(|(prior, change)| prior + change).collect();
        Ok(LogLikelihood { nats, standard_error, z, calls: end.calls })
    }

    /// Slopes of the images, then of the divergence integrals, estimate by estimate.
    fn slope(&self, model: &dyn Differentiable, x: &Tensor, t: f64, probes: &Probes) -> Result<Vec<f64>> {
        let at = self.flow.moment(t);
        let (score, divergence) = self.trace.score_and_divergence(model, x, &at, &probes.directions)?;
        let (drift, half) = (at.sde.drift(t), 0.5 * at.sde.diffusion(t).powi(2));
        let mut slope = numbers(&((x * drift)? - (score * half)?)?)?;
        let parts = probes.identity.iter().zip(divergence.iter().flatten());
        slope.extend(parts.map(|(identity, divergence)| drift * identity - half * divergence));
        Ok(slope)
    }
}

/// Mean and standard error over the estimates of every image.
fn summary(estimates: &[f64], images: usize) -> (Vec<f64>, Option<Vec<f64>>) {
    let count = estimates.len() / images.max(1);
    let of = |i: usize| estimates.iter().skip(i).step_by(images);
    let means: Vec<f64> = (0..images).map(|i| of(i).sum::<f64>() / count as f64).collect();
    let error = |i: usize| {
        let squares: f64 = of(i).map(|e| (e - means[i]).powi(2)).sum();
        (squares / ((count - 1) * count) as f64).sqrt()
    };
    let errors = (count > 1).then(|| (0..images).map(error).collect());
    (means, errors)
}

/// How a density of model values becomes bits a pixel of grey values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BitsPerDimension {
    /// Numbers of an image.
    pub pixels: usize,
    /// How many model units a grey value is wide: 2/256 for 8 bits on `[−1, 1]`, 1/256 on `[0, 1]`.
    pub grey_step: f64,
}

impl BitsPerDimension {
    /// `−(log p / D + ln step) / ln 2`: the bits that a grey value costs.
    pub fn bits(&self, nats: f64) -> f64 {
        -(nats / self.pixels as f64 + self.grey_step.ln()) / LN_2
    }

    /// A difference or an error of log-likelihoods in bits a pixel.
    pub fn spread(&self, nats: f64) -> f64 {
        nats / (self.pixels as f64 * LN_2)
    }
}

/// `x + step u`, `u` uniform on `[0, 1)`: grey values spread over their cells, so that a density of the result
/// bounds the probability of the grey value from below (Theis et al. 2016). Draws uniform numbers once.
///
/// # Errors
/// When the noise or the tensor arithmetic fails.
pub fn dequantized(x: &Tensor, grey_step: f64, noise: &mut Noise) -> candle_core::Result<Tensor> {
    let pixels = x.elem_count() / x.dim(0)?.max(1);
    let uniform: Vec<f64> = noise.uniform(pixels)?.concat();
    x + like(x, &uniform)?.affine(grey_step, 0.0)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn bits_of_known_densities() {
        let eight = BitsPerDimension { pixels: 3, grey_step: 1.0 / 256.0 };
        assert!((eight.bits(0.0) - 8.0).abs() < 1e-12);
        assert!((eight.bits(3.0 * LN_2) - 7.0).abs() < 1e-12);
        assert!((eight.spread(3.0 * LN_2) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn means_and_errors_of_estimates_are_per_image() {
        let (means, errors) = summary(&[1.0, 10.0, 3.0, 10.0], 2);
        assert_eq!(means, [2.0, 10.0]);
        assert_eq!(errors.unwrap(), [1.0, 0.0]);
        assert!(summary(&[1.0, 2.0], 2).1.is_none());
    }

    #[test]
    fn dequantization_fills_the_cell() {
        let x = Tensor::zeros((1, 1, 32, 32), DType::F32, &Device::Cpu).unwrap();
        let slice = recon_pipelines::SliceSeed { seed: 1, case: 0, slice: 0 };
        let mut noise = Noise::new(&[crate::score::Stream { slice, sample: 0 }], (32, 32), &Device::Cpu);
        let values = numbers(&dequantized(&x, 0.5, &mut noise).unwrap()).unwrap();
        assert!(values.iter().all(|v| (0.0..0.5).contains(v)));
        let mean = values.iter().sum::<f64>() / 1024.0;
        // 1024 uniform numbers on [0, 0.5): the mean has a standard error of 0.0045.
        assert!((mean - 0.25).abs() < 0.0135, "{mean}");
    }
}
