//! The optimiser: Adam with a bound on the gradient, and a moving average of the weights.

use candle_core::{Result, Tensor, Var, backprop::GradStore};
use std::collections::BTreeMap;

/// Adam (Kingma and Ba 2015) without weight decay.
pub(super) struct Adam {
    pub(super) first: BTreeMap<String, Tensor>,
    pub(super) second: BTreeMap<String, Tensor>,
}

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.99;
const EPS: f64 = 1e-8;
/// Largest Euclidean length of the gradient of all parameters together.
const MAX_NORM: f64 = 1.0;

impl Adam {
    pub(super) fn new(variables: &BTreeMap<String, Var>) -> Result<Self> {
        let zeros = || variables.iter().map(|(n, v)| Ok((n.clone(), v.zeros_like()?))).collect::<Result<_>>();
        Ok(Self { first: zeros()?, second: zeros()? })
    }

    /// Step number `step` (from 1) at this learning rate.
    pub(super) fn step(
        &mut self,
        variables: &BTreeMap<String, Var>,
        grads: &GradStore,
        step: u64,
        learning_rate: f64,
    ) -> Result<()> {
        let clip = (MAX_NORM / norm(variables, grads)?.max(f64::MIN_POSITIVE)).min(1.0);
        let (unbias1, unbias2) = (1.0 - BETA1.powf(step as f64), 1.0 - BETA2.powf(step as f64));
        for (name, variable) in variables {
            let Some(grad) = grads.get(variable) else { continue };
            let grad = grad.affine(clip, 0.0)?;
            let (Some(m), Some(v)) = (self.first.get_mut(name), self.second.get_mut(name)) else { continue };
            *m = (m.affine(BETA1, 0.0)? + grad.affine(1.0 - BETA1, 0.0)?)?;
            *v = (v.affine(BETA2, 0.0)? + grad.sqr()?.affine(1.0 - BETA2, 0.0)?)?;
            let scale = v.affine(1.0 / unbias2, 0.0)?.sqrt()?.affine(1.0, EPS)?;
            let change = m.affine(learning_rate / unbias1, 0.0)?.div(&scale)?;
            variable.set(&variable.as_tensor().sub(&change)?)?;
        }
        Ok(())
    }
}

fn norm(variables: &BTreeMap<String, Var>, grads: &GradStore) -> Result<f64> {
    let mut total = 0.0;
    for grad in variables.values().filter_map(|v| grads.get(v)) {
        total += f64::from(grad.sqr()?.sum_all()?.to_scalar::<f32>()?);
    }
    Ok(total.sqrt())
}

/// Moves `average` towards the variables, after `step` steps: slow at the end, quick at the start.
pub(super) fn follow(
    average: &mut BTreeMap<String, Tensor>,
    variables: &BTreeMap<String, Var>,
    step: u64,
) -> Result<()> {
    let decay = 0.9995f64.min((1 + step) as f64 / (10 + step) as f64);
    for (name, mean) in average {
        if let Some(variable) = variables.get(name) {
            *mean = (mean.affine(decay, 0.0)? + variable.as_tensor().detach().affine(1.0 - decay, 0.0)?)?;
        }
    }
    Ok(())
}
