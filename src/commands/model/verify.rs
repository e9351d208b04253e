//! `recon model verify`: whether a bundle is what its card says.

use crate::commands::session::failure::Failure;
use anyhow::{Result, bail};
use candle_core::Tensor;
use recon::models::{ModelSource, read_source, verified_card};
use std::collections::BTreeMap;

/// Largest weight that a network may have: far above any that was ever trained.
const LARGEST: f32 = 1e6;

/// Checks and says what was found.
///
/// # Errors
/// When digest, names, shapes or number format are not those of the card; when a value is not finite or impossibly
/// large, or all are zero; when the network cannot be built.
pub(super) fn verify(model: &str) -> Result<String> {
    let source = ModelSource::named(model)?;
    let (card, tensors) = read_source(&source)?;
    let (least, most) = range(model, &tensors)?;
    verified_card(&source)?;
    Ok(format!(
        "{model}: good, {} tensors, {} numbers as {:?} from {least} to {most}, SHA-256 {}",
        tensors.len(),
        card.weights.parameters,
        card.weights.dtype,
        card.weights.sha256
    ))
}

/// The smallest and the largest value.
fn range(model: &str, tensors: &BTreeMap<String, Tensor>) -> Result<(f32, f32)> {
    let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
    for (name, tensor) in tensors {
        for value in tensor.flatten_all()?.to_vec1::<f32>()? {
            if value.abs() > LARGEST {
                bail!(Failure::Input(format!(
                    "{model}: tensor {name} holds {value}, too large for a trained network; import or train it again"
                )));
            }
            (least, most) = (least.min(value), most.max(value));
        }
    }
    if least == 0.0 && most == 0.0 {
        bail!(Failure::Input(format!("{model}: every weight is zero; import or train it again")));
    }
    Ok((least, most))
}
