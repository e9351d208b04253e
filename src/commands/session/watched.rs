//! A model that stops answering once the user has had enough.

use super::context::Context;
use candle_core::{Error, Result, Tensor};
use recon::score::ScoreModel;
use recon_pipelines::Cancelled;
use std::sync::atomic::{AtomicBool, Ordering};

/// A model of the score; after an interruption its calls fail, which ends whatever sampler or solver asks it.
pub struct Watched<'a, M: ?Sized> {
    /// The model.
    pub model: &'a M,
    /// Knows of the interruption.
    context: &'a Context,
    /// Whether a call was refused: the tensor library wraps errors beyond recognition.
    refused: AtomicBool,
}

impl<'a, M: ?Sized> Watched<'a, M> {
    /// The model, heard through the context.
    pub fn new(model: &'a M, context: &'a Context) -> Self {
        Self { model, context, refused: AtomicBool::new(false) }
    }

    /// Why the work ended that asked the model and failed: the interruption where that refused a call, else its own error.
    pub fn reason(&self, error: anyhow::Error) -> anyhow::Error {
        if self.refused.load(Ordering::Relaxed) { self.context.stopped().into() } else { error }
    }

    fn check(&self) -> Result<()> {
        if self.context.interruption().is_none() {
            return Ok(());
        }
        self.refused.store(true, Ordering::Relaxed);
        Err(Error::wrap(Cancelled))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::session::failure::exit_code;
    use candle_core::Device;

    /// A model whose every call fails, and during whose calls the user interrupts.
    struct Broken<'a>(&'a Context, i32);

    impl ScoreModel for Broken<'_> {
        fn score(&self, _x: &Tensor, _std: f64) -> Result<Tensor> {
            self.0.interrupt(self.1);
            Err(Error::msg("out of memory"))
        }
    }

    #[test]
    fn an_interruption_hides_no_error_but_its_own() {
        let (context, x) = (Context::deaf(), Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu));
        let (x, model) = (x.expect("a tensor"), Broken(&context, 15));
        let watched = Watched::new(&model, &context);
        let failed = |watched: &Watched<'_, Broken<'_>>| {
            watched.reason(watched.score(&x, 1.0).expect_err("it always fails").into())
        };
        let error = failed(&watched);
        assert!((exit_code(&error), error.to_string().contains("out of memory")) == (1, true), "{error}");
        assert_eq!(exit_code(&failed(&watched)), 143);
    }
}
