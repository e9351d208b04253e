//! The parameters of a network in training.

use super::adam::{Adam, AdamSettings, follow};
use super::gradient::Gradients;
use crate::models::Parameter;
use candle_core::{Device, Result, Tensor, Var, bail};
use std::collections::BTreeMap;

/// How parameters follow a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descending {
    /// The optimiser.
    pub adam: AdamSettings,
    /// How much of the average of the weights stays in a step, in the end.
    pub average: f64,
}

impl Default for Descending {
    fn default() -> Self {
        Self { adam: AdamSettings::default(), average: 0.9995 }
    }
}

/// Parameters as they are, their moving average, the optimiser's moments, and what training leaves alone.
pub struct Parameters {
    pub(super) variables: BTreeMap<String, Var>,
    pub(super) average: BTreeMap<String, Tensor>,
    pub(super) adam: Adam,
    pub(super) steps: u64,
    pub(super) fixed: BTreeMap<String, Tensor>,
    rate: f64,
}

impl Parameters {
    /// Starts from these tensors; the optimiser starts afresh.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape.
    pub(super) fn new(
        listed: Vec<Parameter>,
        tensors: &BTreeMap<String, Tensor>,
        descending: Descending,
        device: &Device,
    ) -> Result<Self> {
        let (mut variables, mut fixed) = (BTreeMap::new(), BTreeMap::new());
        for Parameter { name, shape, trainable } in listed {
            let Some(tensor) = tensors.get(&name) else { bail!("no parameter {name}") };
            if tensor.dims() != shape {
                bail!("parameter {name} has shape {:?} instead of {shape:?}", tensor.dims())
            }
            let tensor = tensor.to_device(device)?;
            if trainable {
                variables.insert(name, Var::from_tensor(&tensor)?);
            } else {
                fixed.insert(name, tensor);
            }
        }
        // Deep copies: a variable changes in place.
        let copy = |(n, v): (&String, &Var)| Ok((n.clone(), v.as_tensor().detach().copy()?));
        let average = variables.iter().map(copy).collect::<Result<_>>()?;
        let adam = Adam::new(&variables, descending.adam)?;
        Ok(Self { variables, average, adam, steps: 0, fixed, rate: descending.average })
    }

    /// The tensor that the network in training computes with.
    pub(super) fn get(&self, name: &str) -> Result<Tensor> {
        match (self.variables.get(name), self.fixed.get(name)) {
            (Some(variable), _) => Ok(variable.as_tensor().clone()),
            (None, Some(tensor)) => Ok(tensor.clone()),
            (None, None) => bail!("no parameter {name}"),
        }
    }

    /// The parameters as they are.
    pub fn variables(&self) -> &BTreeMap<String, Var> {
        &self.variables
    }

    /// The averaged parameters.
    pub fn average(&self) -> &BTreeMap<String, Tensor> {
        &self.average
    }

    /// What a bundle holds: the averaged parameters, and the tensors that training leaves alone.
    pub fn bundled(&self) -> BTreeMap<String, Tensor> {
        self.average.iter().chain(&self.fixed).map(|(n, t)| (n.clone(), t.clone())).collect()
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step down this gradient; returns the length of the gradient before it was shortened.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub(super) fn descend(&mut self, gradients: &Gradients, learning_rate: f64) -> Result<f64> {
        self.steps += 1;
        let length = self.adam.step(&self.variables, gradients, self.steps, learning_rate)?;
        follow(&mut self.average, &self.variables, self.steps, self.rate)?;
        Ok(length)
    }
}
