//! The optimiser: Adam with a bound on the gradient, and a moving average of the weights.

use super::gradient::Gradients;
use crate::kernels::{Blend, Descent};
use candle_core::{Result, Tensor, Var};
use std::collections::BTreeMap;

/// What the optimiser is set to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamSettings {
    /// Memory of the mean of the gradient.
    pub beta1: f64,
    /// Memory of the mean of its square.
    pub beta2: f64,
    /// Added to the root of that mean.
    pub eps: f64,
    /// Share of the parameters that is added to the gradient (L2, not decoupled).
    pub weight_decay: f64,
    /// Largest Euclidean length of the gradient of all parameters together; longer ones are shortened.
    pub max_norm: f64,
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.0, max_norm: 1.0 }
    }
}

/// Adam (Kingma and Ba 2015).
pub(super) struct Adam {
    pub(super) first: BTreeMap<String, Tensor>,
    pub(super) second: BTreeMap<String, Tensor>,
    settings: AdamSettings,
}

impl Adam {
    pub(super) fn new(variables: &BTreeMap<String, Var>, settings: AdamSettings) -> Result<Self> {
        let zeros = || variables.iter().map(|(n, v)| Ok((n.clone(), v.zeros_like()?))).collect::<Result<_>>();
        Ok(Self { first: zeros()?, second: zeros()?, settings })
    }

    /// Step number `step` (from 1) at this learning rate; returns the length of the gradient before it was
    /// shortened.
    pub(super) fn step(
        &mut self,
        variables: &BTreeMap<String, Var>,
        gradients: &Gradients,
        step: u64,
        learning_rate: f64,
    ) -> Result<f64> {
        let AdamSettings { beta1, beta2, eps, weight_decay, max_norm } = self.settings;
        let length = gradients.norm()?;
        let clip = (max_norm / length.max(f64::MIN_POSITIVE)).min(1.0);
        let (unbias1, unbias2) = (1.0 - beta1.powf(step as f64), 1.0 - beta2.powf(step as f64));
        for (name, variable) in variables {
            let Some(grad) = gradients.get(name) else { continue };
            let (Some(m), Some(v)) = (self.first.get_mut(name), self.second.get_mut(name)) else { continue };
            let decayed;
            let (grad, clip) = if weight_decay == 0.0 {
                (grad, clip)
            } else {
                let decay = variable.as_tensor().detach().affine(weight_decay, 0.0)?;
                decayed = (grad.affine(clip, 0.0)? + decay)?;
                (&decayed, 1.0)
            };
            let taken = (1.0 - beta2) * clip * clip;
            Blend { kept: beta1, taken: (1.0 - beta1) * clip, squared: false }.apply(m, grad)?;
            Blend { kept: beta2, taken, squared: true }.apply(v, grad)?;
            Descent { rate: learning_rate / unbias1, unbias: 1.0 / unbias2, eps }.apply(variable, m, v)?;
        }
        Ok(length)
    }
}

/// Moves `average` towards the variables, after `step` steps: quick at the start, and in the end by `1 − rate`
/// of the way.
pub(super) fn follow(
    average: &mut BTreeMap<String, Tensor>,
    variables: &BTreeMap<String, Var>,
    step: u64,
    rate: f64,
) -> Result<()> {
    let decay = rate.min((1 + step) as f64 / (10 + step) as f64);
    for (name, mean) in average {
        if let Some(variable) = variables.get(name) {
            Blend { kept: decay, taken: 1.0 - decay, squared: false }.apply(mean, variable)?;
        }
    }
    Ok(())
}
