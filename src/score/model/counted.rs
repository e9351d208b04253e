//! How often a score model was asked.

use crate::score::ScoreModel;
use candle_core::{Result, Tensor};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A score model that counts its calls, the NFE of the literature.
pub struct Counted<M> {
    model: M,
    calls: AtomicUsize,
}

impl<M: ScoreModel> Counted<M> {
    /// Starts counting at zero.
    pub fn new(model: M) -> Self {
        Self { model, calls: AtomicUsize::new(0) }
    }
    /// How many times the score, the denoiser or the density was evaluated.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
    /// Counts a call.
    pub(in crate::score) fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
    /// The model itself.
    pub(in crate::score) fn inner(&self) -> &M {
        &self.model
    }
}

impl<M: ScoreModel> ScoreModel for Counted<M> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.count();
        self.model.score(x, std)
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.count();
        self.model.denoise(x, std)
    }
    fn log_density(&self, x: &Tensor, std: f64) -> Result<Option<Vec<f64>>> {
        let found = self.model.log_density(x, std)?;
        if found.is_some() {
            self.count();
        }
        Ok(found)
    }
}
