//! Choosing the tensors of a network from a checkpoint.

use super::Format;
use super::fault::{Outcome, fault};
use super::flax_names::renamed;
use super::names::{listed, matched};
use super::states::{Average, Named, Weights, find};
use super::storage::StoredTensor;
use super::tree::Tree;
use crate::models::Parameter;
use std::collections::BTreeMap;

/// The tensors of `parameters`; their shapes agree.
pub(super) fn choose(
    tree: &Tree,
    format: Format,
    parameters: &[Parameter],
    weights: Weights,
) -> Outcome<BTreeMap<String, StoredTensor>> {
    let states = find(tree)?;
    let by_name = |named: &Named<'_>, wanted: &[Parameter]| by_name(named, format, wanted);
    match (weights, states.average) {
        (Weights::Raw, _) if states.raw.is_empty() => fault("holds no weights of the last step"),
        (Weights::Raw, _) => by_name(&states.raw, parameters)?.complete(parameters),
        (Weights::Ema, None) if states.raw.is_empty() => fault("holds no tensors where weights belong"),
        (Weights::Ema, None) => fault("holds no average of the weights; --raw takes those of the last step"),
        (Weights::Ema, Some(Average::Listed(list))) => {
            let mut found = listed(&list, parameters)?;
            found.extend(fixed(&by_name(&states.raw, parameters)?.found, parameters));
            match parameters.iter().find(|p| !found.contains_key(&p.name)) {
                Some(p) => fault(format!("lacks {}, which training leaves alone", p.name)),
                None => Ok(found),
            }
        }
        (Weights::Ema, Some(Average::Named(named))) => {
            let mut found = by_name(&named, parameters)?;
            for (name, tensor) in fixed(&by_name(&states.raw, parameters)?.found, parameters) {
                found.found.entry(name).or_insert(tensor);
            }
            found.complete(parameters)
        }
    }
}

fn by_name(named: &Named<'_>, format: Format, parameters: &[Parameter]) -> Outcome<super::names::Matched> {
    if format == Format::Flax && !named.is_empty() {
        let renamed = renamed(named, parameters)?;
        return matched(renamed.iter().map(|(name, tensor)| (name.as_str(), tensor)), parameters);
    }
    matched(named.iter().map(|(name, tensor)| (name.as_str(), *tensor)), parameters)
}

/// Those of `found` that training leaves alone.
fn fixed(found: &BTreeMap<String, StoredTensor>, parameters: &[Parameter]) -> BTreeMap<String, StoredTensor> {
    let fixed = parameters.iter().filter(|p| !p.trainable);
    fixed.filter_map(|p| Some((p.name.clone(), found.get(&p.name)?.clone()))).collect()
}
