//! From bundles to priors.

use super::bundle::read_source;
use super::conditional::ConditionalPrior;
use super::error::ModelError;
use super::manifest::Manifest;
use super::prior::Prior;
use super::source::ModelSource;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

/// The prior of `source`, verified, on `device`.
///
/// # Errors
/// When a file is missing, altered, of another shape, or holds values that are not finite; when it is a conditional prior.
pub fn open(source: &ModelSource, device: &Device) -> Result<Prior, ModelError> {
    let (manifest, tensors) = read_source(source)?;
    if manifest.family.is_some() {
        return Err(ModelError::Conditional { path: source.path() });
    }
    Prior::new(manifest, device, &|name| on(device, &tensors, name))
        .map_err(|error| ModelError::Network { path: source.path(), source: error })
}

/// The conditional prior of `source`, verified, on `device`.
///
/// # Errors
/// As [`open`]; when it is a prior of images alone.
pub fn open_conditional(source: &ModelSource, device: &Device) -> Result<ConditionalPrior, ModelError> {
    let (manifest, tensors) = read_source(source)?;
    if manifest.family.is_none() {
        return Err(ModelError::Unconditional { path: source.path() });
    }
    ConditionalPrior::new(manifest, &|name| on(device, &tensors, name))
        .map_err(|error| ModelError::Network { path: source.path(), source: error })
}

/// The card of a bundle of either kind whose network can be built.
///
/// # Errors
/// When a file is missing, altered, of another shape, or holds values that are not finite.
pub fn verified_card(source: &ModelSource) -> Result<Manifest, ModelError> {
    match open(source, &Device::Cpu) {
        Ok(prior) => Ok(prior.manifest().clone()),
        Err(ModelError::Conditional { .. }) => Ok(open_conditional(source, &Device::Cpu)?.manifest().clone()),
        Err(error) => Err(error),
    }
}

fn on(device: &Device, tensors: &BTreeMap<String, Tensor>, name: &str) -> candle_core::Result<Tensor> {
    match tensors.get(name) {
        Some(tensor) => tensor.to_device(device),
        None => candle_core::bail!("no tensor {name}"),
    }
}
