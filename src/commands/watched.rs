//! A prior that stops answering once the user has had enough.

use super::context::Context;
use crate::models::Prior;
use crate::score::ScoreModel;
use candle_core::{Result, Tensor, bail};

/// The prior; after an interruption its calls fail, which ends whatever sampler or solver asks it.
pub(super) struct Watched<'a> {
    /// The prior.
    pub(super) prior: &'a Prior,
    /// Knows of the interruption.
    pub(super) context: &'a Context,
}

impl Watched<'_> {
    fn check(&self) -> Result<()> {
        if self.context.interruption().is_some() { bail!("interrupted") } else { Ok(()) }
    }
}

impl ScoreModel for Watched<'_> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.check()?;
        self.prior.score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.check()?;
        self.prior.denoise(x, std)
    }
}
