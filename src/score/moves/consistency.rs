//! Where a measurement comes into a sampler.

use crate::score::process::{Marginal, Noise};
use candle_core::{Result, Tensor};

/// Pulls a batch towards a measurement.
pub trait Consistency {
    /// Imposes the measurement on a batch at the noise level of `marginal`.
    ///
    /// # Errors
    /// When the noise, or the way between tensor and array, fails.
    fn impose(&mut self, x: Tensor, marginal: Marginal, noise: &mut Noise) -> Result<Tensor>;

    /// Imposes the measurement, without added noise, on clean images: the last step of a sampler.
    ///
    /// # Errors
    /// When the way between tensor and array fails.
    fn finish(&mut self, x: Tensor) -> Result<Tensor>;
}

/// No measurement: samples come from the prior. Draws no noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unconditional;

impl Consistency for Unconditional {
    fn impose(&mut self, x: Tensor, _marginal: Marginal, _noise: &mut Noise) -> Result<Tensor> {
        Ok(x)
    }
    fn finish(&mut self, x: Tensor) -> Result<Tensor> {
        Ok(x)
    }
}
