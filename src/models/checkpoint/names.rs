//! Matching the names in a file with those of a network.

use super::fault::{Fault, Outcome, fault};
use super::storage::StoredTensor;
use crate::models::Parameter;
use std::collections::{BTreeMap, HashMap};

/// What wrappers put before every name.
const PREFIXES: [&str; 10] = [
    "module.",
    "model.",
    "_orig_mod.",
    "net.",
    "network.",
    "score_net.",
    "state_dict.",
    "ema_model.",
    "params.",
    "_forward_module.",
];

/// Tensors that upstream stores beside the weights and recomputes: the noise levels of the schedule.
const BUFFERS: [&str; 1] = ["sigmas"];

/// How many names a message shows.
const SHOWN: usize = 4;

/// The tensors of `parameters`, by their names there, and what was left over.
pub(super) struct Matched {
    pub(super) found: BTreeMap<String, StoredTensor>,
    surplus: Vec<String>,
}

/// Finds each parameter among `stored`, whose names may have prefixes.
pub(super) fn matched<'a>(
    stored: impl IntoIterator<Item = (&'a str, &'a StoredTensor)>,
    parameters: &[Parameter],
) -> Outcome<Matched> {
    let wanted: HashMap<&str, &Parameter> = parameters.iter().map(|p| (bare(&p.name), p)).collect();
    let mut matched = Matched { found: BTreeMap::new(), surplus: Vec::new() };
    for (name, tensor) in stored {
        let Some(parameter) = stripped(name, &wanted) else {
            if !BUFFERS.contains(&last_part(name)) {
                matched.surplus.push(name.to_owned());
            }
            continue;
        };
        same_shape(name, tensor, parameter)?;
        if matched.found.insert(parameter.name.clone(), tensor.clone()).is_some() {
            return fault(format!("holds two tensors for {}", parameter.name));
        }
    }
    Ok(matched)
}

impl Matched {
    /// What was found, when it is all of `parameters` and there was nothing else.
    pub(super) fn complete(self, parameters: &[Parameter]) -> Outcome<BTreeMap<String, StoredTensor>> {
        let names = parameters.iter().map(|p| p.name.as_str());
        let missing: Vec<&str> = names.filter(|&name| !self.found.contains_key(name)).collect();
        let surplus: Vec<&str> = self.surplus.iter().map(String::as_str).collect();
        match (missing.is_empty(), surplus.is_empty()) {
            (true, true) => Ok(self.found),
            (true, false) => fault(format!("has {}", some_of(&surplus, "surplus"))),
            (false, true) => fault(format!("lacks {} of {}", some_of(&missing, "missing"), parameters.len())),
            (false, false) => fault(format!(
                "does not fit the architecture: {}; {}",
                some_of(&missing, "missing"),
                some_of(&surplus, "surplus")
            )),
        }
    }
}

/// A list of averages: those of the trainable parameters in their order.
pub(super) fn listed(
    list: &[&StoredTensor],
    parameters: &[Parameter],
) -> Outcome<BTreeMap<String, StoredTensor>> {
    let trainable: Vec<&Parameter> = parameters.iter().filter(|p| p.trainable).collect();
    if trainable.len() != list.len() {
        return fault(format!(
            "lists the averages of {} tensors; the architecture has {} that are trained",
            list.len(),
            trainable.len()
        ));
    }
    let pair = |(&parameter, &tensor): (&&Parameter, &&StoredTensor)| {
        same_shape("in the list of averages", tensor, parameter)?;
        Ok((parameter.name.clone(), tensor.clone()))
    };
    trainable.iter().zip(list).map(pair).collect()
}

/// Refuses a tensor of another shape.
pub(super) fn same_shape(name: &str, tensor: &StoredTensor, parameter: &Parameter) -> Outcome<()> {
    if tensor.shape() == parameter.shape {
        return Ok(());
    }
    Err(Fault(format!(
        "tensor {name} has shape {:?}, {} should have {:?}",
        tensor.shape(),
        parameter.name,
        parameter.shape
    )))
}

/// The parameter that `name` means, with as few prefixes taken off as possible.
fn stripped<'a>(name: &str, wanted: &HashMap<&str, &'a Parameter>) -> Option<&'a Parameter> {
    let mut rest = name;
    loop {
        if let Some(parameter) = wanted.get(rest) {
            return Some(parameter);
        }
        rest = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    }
}

fn bare(name: &str) -> &str {
    name.strip_prefix("module.").unwrap_or(name)
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `3 missing tensors: a, b, c`, shortened.
fn some_of(names: &[&str], kind: &str) -> String {
    let head = names[..names.len().min(SHOWN)].join(", ");
    let more = names.len().saturating_sub(SHOWN);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} {kind} tensor(s): {head}{tail}", names.len())
}
