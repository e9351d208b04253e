//! Where in a checkpoint the weights are, and where their average.

use super::fault::{Outcome, fault};
use super::storage::StoredTensor;
use super::tree::{Id, Tree};
use std::collections::BTreeMap;

/// Which weights of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Their exponential moving average over training: what samples are drawn with.
    Ema,
    /// Those of the last step.
    Raw,
}

/// Tensors by their names in the file.
pub(super) type Named<'a> = BTreeMap<String, &'a StoredTensor>;

/// The average of the weights.
pub(super) enum Average<'a> {
    /// By name.
    Named(Named<'a>),
    /// In the order of the trainable parameters.
    Listed(Vec<&'a StoredTensor>),
}

/// The weights that a checkpoint holds.
pub(super) struct States<'a> {
    /// Those of the last step; empty when there are none.
    pub(super) raw: Named<'a>,
    /// Their average.
    pub(super) average: Option<Average<'a>>,
}

/// Where the weights of the last step may be, the likeliest first.
const RAW: [&[&str]; 10] = [
    &["model"],
    &["state_dict"],
    &["model_state_dict"],
    &["net"],
    &["network"],
    &["score_net"],
    &["optimizer", "target"],
    &["target"],
    &["params"],
    &["0"],
];

/// Where their average may be, the likeliest first.
const AVERAGE: [&[&str]; 10] = [
    &["ema", "shadow_params"],
    &["ema", "shadow"],
    &["ema"],
    &["params_ema"],
    &["ema_params"],
    &["ema_state_dict"],
    &["model_ema"],
    &["ema_model"],
    &["state_dict_ema"],
    &["shadow_params"],
];

/// Finds both.
pub(super) fn find(tree: &Tree) -> Outcome<States<'_>> {
    let Some(root) = tree.root else { return fault("is empty") };
    let average = match average_by_key(tree)? {
        Some(average) => Some(average),
        None => average_in_list(tree, root)?,
    };
    for path in RAW {
        if let Some(id) = tree.at(path) {
            let raw = named(tree, id)?;
            if !raw.is_empty() {
                return Ok(States { raw, average });
            }
        }
    }
    // A bare dictionary of tensors, unless what is in it was understood to be an average.
    let raw = if average.is_none() { named(tree, root)? } else { Named::new() };
    Ok(States { raw, average })
}

fn average_by_key(tree: &Tree) -> Outcome<Option<Average<'_>>> {
    for path in AVERAGE {
        let Some(id) = tree.at(path) else { continue };
        if let Some(items) = tree.list(id) {
            match items.iter().map(|&item| tree.tensor(item)).collect::<Option<Vec<_>>>() {
                Some(list) if !list.is_empty() => return Ok(Some(Average::Listed(list))),
                _ => continue,
            }
        }
        let average = named(tree, id)?;
        if !average.is_empty() {
            return Ok(Some(Average::Named(average)));
        }
    }
    Ok(None)
}

/// In a list `[weights, optimiser, epoch, step, average]` the average is the last dictionary of tensors alone.
fn average_in_list(tree: &Tree, root: Id) -> Outcome<Option<Average<'_>>> {
    let Some(items) = tree.list(root) else { return Ok(None) };
    let rest = items.get(1..).unwrap_or_default();
    match rest.iter().rev().find(|&&id| tree.is_state(id)) {
        Some(&id) => Ok(Some(Average::Named(named(tree, id)?))),
        None => Ok(None),
    }
}

fn named(tree: &Tree, id: Id) -> Outcome<Named<'_>> {
    Ok(tree.tensors_below(id)?.into_iter().collect())
}
