//! The rungs of parallel views: every estimate fitted to the data.

use super::climb::{Question, Rungs};
use super::views::ParallelFamily;
use crate::score::measure::{Bridged, Measured, Weighting, bridge};
use anyhow::Result;
use candle_core::{Device, Tensor};
use ndarray::Array2;
use recon_operators::{Field, Filter, Problem, Radon, Transform};

/// A measurement of a [`ParallelFamily`], whose image at every rung is the estimate of the one before.
///
/// ```text
/// z₀   = fit(least total variation)
/// x̂ₜ   = fit(D(zₜ; A†y, n, t, σₑ))       fit(x) = argmin_z ‖z − x‖² + γ/‖A‖² ‖A z − y‖²
/// zₜ₊₁ = x̂ₜ
/// ```
///
/// The network is told `zₜ`, the filtered back-projection `A†y` by the ramp, and two numbers as planes: `log₂(n/23)/4` for
/// n views, and which call it is, as a share of the last that is told apart. Images are `[1, 1, row, col]` in model units.
pub struct ParallelRungs<'a> {
    family: &'a ParallelFamily,
    measured: Bridged<'a, Radon>,
    shape: (usize, usize),
    views: usize,
    direct: Tensor,
    start: Tensor,
}

/// The number of views whose plane is 0, and how many doublings of it are 1.
const CENTER_VIEWS: f64 = 23.0;
const DOUBLINGS: f64 = 4.0;

impl<'a> ParallelRungs<'a> {
    /// The rungs of a measurement of the family, whose `start` is the image of least total variation in 1/mm; `unit` is
    /// what is 1 in model units, in 1/mm.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn new(
        family: &'a ParallelFamily,
        problem: &'a Problem<Radon>,
        mut start: Array2<f32>,
        unit: f32,
        device: &Device,
    ) -> Result<Self> {
        let geometry = problem.transform.geometry();
        let mut direct = if problem.transform.filter() == Filter::Ramp {
            problem.transform.inverse(&problem.measured)
        } else {
            Radon::new(geometry.clone(), Filter::Ramp)?.inverse(&problem.measured)
        };
        direct.scale(1.0 / unit);
        start.scale(1.0 / unit);
        Ok(Self {
            family,
            measured: Bridged::new(problem, unit),
            shape: (geometry.rows, geometry.cols),
            views: geometry.angles.len(),
            direct: bridge::to_tensor(&[direct], device)?,
            start: bridge::to_tensor(&[start], device)?,
        })
    }

    /// `σₑ` of a rung.
    pub fn sigma(&self, rung: usize) -> f64 {
        self.family.sigma(self.shape, self.views, rung)
    }

    /// An image of one value.
    fn plane(&self, value: f64) -> candle_core::Result<Tensor> {
        Tensor::full(value as f32, (1, 1, self.shape.0, self.shape.1), self.direct.device())
    }

    fn fit(&self, image: &Tensor) -> candle_core::Result<Tensor> {
        let (fit, norm) = (self.family.fit, self.measured.norm());
        let weight = if norm > 0.0 { fit.weight / (norm * norm) } else { 0.0 };
        self.measured.fit(image, 1.0, Weighting::Even(weight), fit.iterations)
    }
}

impl Rungs for ParallelRungs<'_> {
    fn start(&self) -> candle_core::Result<Tensor> {
        self.fit(&self.start)
    }

    fn question(&self, image: Tensor, rung: usize) -> candle_core::Result<Question> {
        let last = self.family.calls().saturating_sub(1).max(1);
        let views = (self.views as f64 / CENTER_VIEWS).log2() / DOUBLINGS;
        let planes = vec![self.plane(views)?, self.plane(rung.min(last) as f64 / last as f64)?];
        Ok(Question { image, direct: self.direct.clone(), planes, sigma: self.sigma(rung) })
    }

    fn restored(&self, estimate: &Tensor, _rung: usize) -> candle_core::Result<Tensor> {
        self.fit(estimate)
    }

    fn image(&self, estimate: &Tensor, _rung: usize) -> candle_core::Result<Tensor> {
        Ok(estimate.clone())
    }
}
