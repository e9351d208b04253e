//! A model that stops answering once the user has had enough.

use super::context::Context;
use candle_core::{Result, Tensor, bail};
use recon::score::ScoreModel;

/// A model of the score; after an interruption its calls fail, which ends whatever sampler or solver asks it.
pub struct Watched<'a, M: ?Sized> {
    /// The model.
    pub model: &'a M,
    /// Knows of the interruption.
    pub context: &'a Context,
}

impl<M: ?Sized> Watched<'_, M> {
    fn check(&self) -> Result<()> {
        if self.context.interruption().is_some() { bail!("interrupted") } else { Ok(()) }
    }
}

impl<M: ScoreModel + ?Sized> ScoreModel for Watched<'_, M> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.check()?;
        self.model.score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.check()?;
        self.model.denoise(x, std)
    }
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        self.check()?;
        self.model.log_density(x, std)
    }
}
