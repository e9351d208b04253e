//! What the training loop asks of a network and its objective.

use super::gradient::Gradients;
use super::parameters::Parameters;
use candle_core::{Result, Tensor, bail};
use rand_chacha::ChaCha8Rng;

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The loss before the step.
    pub loss: f64,
    /// The length of the gradient before it was shortened.
    pub gradient: f64,
}

/// A network with an objective, its optimiser and its average.
pub trait Learner {
    /// What a step learns from: clean images, and everything that was drawn for them.
    type Batch;

    /// The parameters in training.
    fn parameters(&self) -> &Parameters;

    /// The parameters in training, to be changed.
    fn parameters_mut(&mut self) -> &mut Parameters;

    /// Draws noise and noise levels for clean images `[batch, 1, row, col]` in model units.
    ///
    /// # Errors
    /// When memory runs out.
    fn draw(&self, clean: Tensor, rng: &mut ChaCha8Rng) -> Result<Self::Batch>;

    /// How many images a batch has.
    fn images(batch: &Self::Batch) -> usize;

    /// The `count` images of a batch from number `from` on.
    ///
    /// # Errors
    /// When there are not so many.
    fn part(batch: &Self::Batch, from: usize, count: usize) -> Result<Self::Batch>;

    /// The loss, a mean over images.
    ///
    /// # Errors
    /// When shapes do not fit or a tensor operation fails.
    fn loss(&self, batch: &Self::Batch) -> Result<Tensor>;

    /// The loss and its gradient, computed in `parts` parts of equal size one after the other, so that only one
    /// part's features are in memory. The number of images must be a multiple of `parts`.
    ///
    /// # Errors
    /// When a tensor operation fails or the loss is not finite.
    fn gradients(&self, batch: &Self::Batch, parts: usize) -> Result<(f64, Gradients)> {
        let images = Self::images(batch);
        if parts == 0 || images == 0 || !images.is_multiple_of(parts) {
            bail!("{images} images cannot be cut into {parts} parts of equal size")
        }
        let (count, share) = (images / parts, 1.0 / parts as f64);
        let (mut total, mut sum): (f64, Option<Gradients>) = (0.0, None);
        for part in 0..parts {
            let loss = self.loss(&Self::part(batch, part * count, count)?)?;
            let value = f64::from(loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                let step = self.parameters().steps();
                bail!("the loss is {value} at step {step}: use a smaller --rate or look for broken images")
            }
            total += share * value;
            let found = loss.backward()?;
            let variables = self.parameters().variables();
            match &mut sum {
                None => sum = Some(Gradients::new(found, variables, share)?),
                Some(sum) => sum.add(&found, variables, share)?,
            }
        }
        match sum {
            Some(sum) => Ok((total, sum)),
            None => bail!("there is no part to learn from"),
        }
    }

    /// One step of gradient descent, the gradient computed in `parts` parts.
    ///
    /// # Errors
    /// As [`Learner::gradients`].
    fn step(&mut self, batch: &Self::Batch, parts: usize, learning_rate: f64) -> Result<StepReport> {
        let (loss, gradients) = self.gradients(batch, parts)?;
        let gradient = self.parameters_mut().descend(&gradients, learning_rate)?;
        Ok(StepReport { loss, gradient })
    }
}
