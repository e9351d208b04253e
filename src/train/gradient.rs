//! The gradient of a step, which may be the mean over several parts of a batch.

use crate::kernels::{Blend, sum_of_squares};
use candle_core::{Result, Tensor, Var, backprop::GradStore};
use std::collections::BTreeMap;

/// The gradient of a loss by every parameter that it depends on.
pub struct Gradients(BTreeMap<String, Tensor>);

impl Gradients {
    /// `factor` times what one backward pass found.
    ///
    /// # Errors
    /// When memory runs out.
    pub(super) fn new(mut found: GradStore, variables: &BTreeMap<String, Var>, factor: f64) -> Result<Self> {
        let mut gradients = BTreeMap::new();
        for (name, variable) in variables {
            let Some(gradient) = found.remove(variable) else { continue };
            // Sums are formed in place, so a scaled gradient must own its numbers, as a fresh tensor does.
            let gradient = if factor == 1.0 { gradient } else { gradient.detach().affine(factor, 0.0)? };
            gradients.insert(name.clone(), gradient);
        }
        Ok(Self(gradients))
    }

    /// Adds `factor` times the gradient of another part; `self` was made with a factor, too.
    ///
    /// # Errors
    /// When memory runs out.
    pub(super) fn add(
        &mut self,
        found: &GradStore,
        variables: &BTreeMap<String, Var>,
        factor: f64,
    ) -> Result<()> {
        for (name, sum) in &mut self.0 {
            if let Some(gradient) = variables.get(name).and_then(|variable| found.get(variable)) {
                Blend { kept: 1.0, taken: factor, squared: false }.apply(sum, gradient)?;
            }
        }
        Ok(())
    }

    /// The gradient by this parameter, if the loss depends on it.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// The Euclidean length over all parameters together.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn norm(&self) -> Result<f64> {
        let mut total = 0.0;
        for gradient in self.0.values() {
            total += sum_of_squares(gradient)?;
        }
        Ok(total.sqrt())
    }
}
