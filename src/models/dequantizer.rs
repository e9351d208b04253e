//! A learned distribution of images within the cells of their grey values.

use super::second_order::softplus;
use super::{Head, HeadBody, HeadConfig, Parameter};
use candle_core::{Result, Tensor};
use std::collections::BTreeMap;

/// `q(u | x)` on the unit cube over the pixels, for variational dequantization (Ho et al., "Flow++", 2019).
///
/// `u = sigmoid(μ(x) + s(x) ε)` pixel by pixel, with `μ` and `ln s` from a [`Head`] and `ε` from the
/// standard logistic distribution rather than a normal one: `μ = 0`, `s = 1` is then uniform exactly, so
/// that a dequantizer that starts with a last layer of zeros starts as the usual uniform one. Pixels are
/// independent given `x`.
pub struct Dequantizer {
    head: Head,
}

/// Places within cells, `[batch, 1, row, col]` each between 0 and 1, and their log-density.
pub struct Placed {
    /// `u`
    pub place: Tensor,
    /// `log q(u | x)` of every image in nats, `[batch]`.
    pub log_density: Tensor,
}

impl Dequantizer {
    /// The network of a dequantizer with this body.
    pub fn head(body: HeadBody) -> HeadConfig {
        HeadConfig { body, inputs: 1, outputs: 2 }
    }

    /// Name and shape of every parameter.
    pub fn parameters(body: HeadBody) -> Vec<Parameter> {
        Self::head(body).parameters()
    }

    /// The model over the parameters that `get` finds by name.
    ///
    /// # Errors
    /// Those of `get`.
    pub fn new(body: HeadBody, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { head: Head::new(Self::head(body), get)? })
    }

    /// The model over tensors by name, such as those that training has averaged.
    ///
    /// # Errors
    /// When one is missing.
    pub fn of_tensors(body: HeadBody, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let get = |name: &str| match tensors.get(name) {
            Some(tensor) => Ok(tensor.clone()),
            None => candle_core::bail!("no parameter {name}"),
        };
        Self::new(body, &get)
    }

    /// Places for images `x` of grey values in model units, `[batch, 1, row, col]`, from numbers `uniform`
    /// of the same shape between 0 and 1. Differentiable by the parameters.
    ///
    /// # Errors
    /// When shapes do not fit or a tensor operation fails.
    pub fn place(&self, x: &Tensor, uniform: &Tensor) -> Result<Placed> {
        let out = self.head.forward(x, &Tensor::zeros(x.dim(0)?, x.dtype(), x.device())?)?;
        let (shift, log_scale) = (out.narrow(1, 0, 1)?, out.narrow(1, 1, 1)?);
        // Single precision cannot tell numbers nearer to 1 apart.
        let uniform = uniform.clamp(EDGE, 1.0 - EDGE)?;
        let logistic = (uniform.log()? - uniform.affine(-1.0, 1.0)?.log()?)?;
        let argument = (shift + (&logistic * log_scale.exp()?)?)?;
        // log q = log f(ε) − ln s − ln u − ln(1 − u), with f the logistic density: log f(ε) = −softplus(ε)
        // − softplus(−ε).
        let tails = |v: &Tensor| softplus(v)? + softplus(&v.neg()?)?;
        let log_density = ((tails(&argument)? - tails(&logistic)?)? - log_scale)?;
        Ok(Placed {
            place: candle_nn::ops::sigmoid(&argument)?,
            log_density: log_density.flatten_from(1)?.sum(1)?,
        })
    }
}

/// Uniform numbers are kept this far from 0 and 1.
const EDGE: f64 = 1e-6;
