//! From rung to rung, with a call of the network at each.

use crate::score::samplers::report;
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::Progress;
use serde::{Deserialize, Serialize};

/// What a conditional prior is asked. Images are `[batch, 1, row, col]` in model units.
#[derive(Clone, Debug)]
pub struct Question {
    /// `zₜ`, the image of the rung.
    pub image: Tensor,
    /// `A†y`, what the measurement says without a prior.
    pub direct: Tensor,
    /// What else the network is told, each `[batch, 1, row, col]` without a unit, in the order of its channels.
    pub planes: Vec<Tensor>,
    /// `σₑ`, the usual size of what is wrong with `zₜ`.
    pub sigma: f64,
}

/// A network that is told what was measured.
pub trait ConditionalModel: Send + Sync {
    /// The clean image that it believes in, `[batch, 1, row, col]` in model units.
    ///
    /// # Errors
    /// When a tensor operation fails (shape, memory, device).
    fn estimate(&self, question: &Question) -> candle_core::Result<Tensor>;
}

/// What a family of measurements supplies to the climb, for one measured slice. Images are `[1, 1, row, col]` in model
/// units; rungs are counted from 0.
pub trait Rungs {
    /// The image of the first rung.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn start(&self) -> candle_core::Result<Tensor>;

    /// What the network is asked about the image of a rung.
    ///
    /// # Errors
    /// As [`Rungs::start`].
    fn question(&self, image: Tensor, rung: usize) -> candle_core::Result<Question>;

    /// The estimate of a rung with the measurement put back.
    ///
    /// # Errors
    /// As [`Rungs::start`].
    fn restored(&self, estimate: &Tensor, rung: usize) -> candle_core::Result<Tensor>;

    /// The image of a rung above the first, from the estimate of the rung before.
    ///
    /// # Errors
    /// As [`Rungs::start`].
    fn image(&self, estimate: &Tensor, rung: usize) -> candle_core::Result<Tensor>;
}

/// How the network is shown the images of a rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flips {
    /// As they are.
    Upright,
    /// As another of their four mirror images at every rung.
    #[default]
    Turn,
    /// As all four, whose mean is the estimate.
    All,
}

/// What of the image of the next rung comes from an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filling {
    /// All that was not measured.
    #[default]
    Full,
    /// More at every rung, from what was measured to all of it; the rest comes from the start.
    Renew,
}

/// A point estimate in a few network calls: from what is wrong with an image of few measurements to one of all of them.
///
/// ```text
/// x̂ₜ  = data step of D(zₜ; A†y, rung, σₑ)        one network call, or four
/// zₜ₊₁ = what was not measured, or more of it at every rung, taken from x̂ₜ
/// ```
///
/// and the last `x̂` is the result. It is the same for every seed. Nothing is drawn, so it approaches `E[x | y]` and no
/// sample: where the data leave much open it is smooth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Climb {
    /// Number of rungs.
    pub steps: usize,
    /// What of the next image is taken from an estimate.
    pub filling: Filling,
    /// How the network is shown images.
    pub flips: Flips,
    /// τ, by how much larger than white noise of its level the error of an estimate is where noisy data see it.
    pub noise_trust: f64,
}

/// The four mirror images: whether columns and rows are in reverse order.
const MIRRORS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

impl Flips {
    /// The mirror images of a rung.
    fn at(self, rung: usize) -> &'static [(bool, bool)] {
        match self {
            Self::Upright => &MIRRORS[..1],
            Self::Turn => std::slice::from_ref(&MIRRORS[rung % MIRRORS.len()]),
            Self::All => &MIRRORS,
        }
    }

    /// Network calls of a rung.
    pub fn calls(self) -> usize {
        self.at(0).len()
    }

    /// The mean over the mirror images of a rung. What else the network is told is the same for all of them.
    fn estimate(
        self,
        model: &dyn ConditionalModel,
        question: &Question,
        rung: usize,
    ) -> candle_core::Result<Tensor> {
        let mirrors = self.at(rung);
        let mut sum: Option<Tensor> = None;
        for &mirror in mirrors {
            let (image, direct) = (mirrored(&question.image, mirror)?, mirrored(&question.direct, mirror)?);
            let found = model.estimate(&Question { image, direct, ..question.clone() })?;
            let found = mirrored(&found, mirror)?;
            sum = Some(match sum {
                Some(sum) => (sum + found)?,
                None => found,
            });
        }
        match sum {
            Some(sum) if mirrors.len() > 1 => sum / mirrors.len() as f64,
            Some(sum) => Ok(sum),
            None => candle_core::bail!("a rung has a mirror image"),
        }
    }
}

fn mirrored(x: &Tensor, (columns, rows): (bool, bool)) -> candle_core::Result<Tensor> {
    let axes: Vec<usize> =
        [(columns, 3), (rows, 2)].into_iter().filter_map(|(on, axis)| on.then_some(axis)).collect();
    if axes.is_empty() { Ok(x.clone()) } else { x.contiguous()?.flip(&axes) }
}

impl Climb {
    /// The estimate of the last rung, `[1, 1, row, col]` in model units.
    ///
    /// # Errors
    /// When the model or the measurement fails, or the user stopped it ([`Cancelled`](recon_pipelines::Cancelled)).
    pub fn run(
        &self,
        model: &dyn ConditionalModel,
        rungs: &dyn Rungs,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let mut estimate = rungs.start()?;
        for rung in 0..self.steps {
            let image = if rung == 0 { estimate } else { rungs.image(&estimate, rung)? };
            let found = self.flips.estimate(model, &rungs.question(image, rung)?, rung)?;
            estimate = rungs.restored(&found, rung)?;
            progress.calls((rung + 1) * self.flips.calls());
            report(progress, rung + 1, self.steps)?;
        }
        Ok(estimate)
    }
}
