//! Flax's names in PyTorch's words.
//!
//! Flax numbers the modules of each class in the order in which a network makes them (`Conv_0`, `Conv_1`, …);
//! the PyTorch port keeps all modules in one list in that same order (`all_modules.0`, …). So the first
//! convolution of one is the first of the other. Modules are sorted into families by their tensors, and the two
//! sides of a family are paired in order. Kernels are `[row, column, in, out]` there and `[out, in, row, column]`
//! here; those of dense layers `[in, out]` and `[out, in]`.

use super::fault::{Outcome, fault};
use super::states::Named;
use super::storage::StoredTensor;
use crate::models::Parameter;
use std::collections::BTreeMap;

/// How the list of modules is called.
const LIST: &str = "all_modules.";

/// A sort of module, as far as its tensors tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    /// Random frequencies.
    Fourier,
    /// A dense layer.
    Dense,
    /// A convolution.
    Convolution,
    /// A normalisation.
    Norm,
    /// Self-attention.
    Attention,
    /// A residual block.
    Residual,
    /// A 1x1 convolution that joins two branches.
    Combine,
    /// A change of resolution with a convolution; all that go down come before those that go up.
    Resample,
}

/// The shape of each tensor of a module, by its name within.
type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// The tensors by the names that `parameters` use.
pub(super) fn renamed(
    stored: &Named<'_>,
    parameters: &[Parameter],
) -> Outcome<BTreeMap<String, StoredTensor>> {
    let mut theirs = sorted(&flax_modules(stored));
    let mut names = BTreeMap::new();
    for (family, ours) in list_modules(parameters)? {
        let theirs = theirs.remove(&family).unwrap_or_default();
        if ours.len() != theirs.len() {
            return fault(format!(
                "has {} modules of the kind {family:?}, the architecture has {}",
                theirs.len(),
                ours.len()
            ));
        }
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            names.extend(theirs.tensors.into_iter().map(|(leaf, tensor)| (format!("{ours}.{leaf}"), tensor)));
        }
    }
    match theirs.into_values().flatten().next() {
        Some(module) => fault(format!("has a module {} that the architecture does not have", module.name)),
        None => Ok(names),
    }
}

/// A module of the file, its tensors in PyTorch's names and order of axes.
#[derive(Clone, Debug)]
struct Module {
    class: String,
    number: usize,
    name: String,
    tensors: BTreeMap<String, StoredTensor>,
}

fn flax_modules(stored: &Named<'_>) -> Vec<Module> {
    let mut modules: BTreeMap<&str, Module> = BTreeMap::new();
    for (path, tensor) in stored {
        let path = path.strip_prefix("params.").unwrap_or(path);
        let (name, leaf) = path.split_once('.').unwrap_or(("", path));
        let (class, number) = name.rsplit_once('_').unwrap_or((name, ""));
        let module = modules.entry(name).or_insert_with(|| Module {
            class: class.to_owned(),
            number: number.parse().unwrap_or(usize::MAX),
            name: name.to_owned(),
            tensors: BTreeMap::new(),
        });
        let (leaf, tensor) = in_our_order(leaf, tensor);
        module.tensors.insert(leaf, tensor);
    }
    modules.into_values().collect()
}

/// The name and the order of axes that PyTorch gives a tensor.
fn in_our_order(leaf: &str, tensor: &StoredTensor) -> (String, StoredTensor) {
    let (within, last) = leaf.rsplit_once('.').map_or(("", leaf), |(within, last)| (within, last));
    let turned = match (last, tensor.shape().len()) {
        ("kernel" | "weight", 4) => tensor.permuted(&[3, 2, 0, 1]),
        ("kernel", 2) => tensor.permuted(&[1, 0]),
        _ => tensor.clone(),
    };
    let last = if matches!(last, "kernel" | "scale") { "weight" } else { last };
    (if within.is_empty() { last.to_owned() } else { format!("{within}.{last}") }, turned)
}

/// The modules of each family, in the order in which they were made.
fn sorted(modules: &[Module]) -> BTreeMap<Family, Vec<Module>> {
    let mut families: BTreeMap<Family, Vec<Module>> = BTreeMap::new();
    for module in modules {
        let shapes = module.tensors.iter().map(|(leaf, t)| (leaf.as_str(), t.shape())).collect();
        families.entry(family(&shapes)).or_default().push(module.clone());
    }
    for family in families.values_mut() {
        // By class first: of the two that change the resolution, Downsample is made before Upsample.
        family.sort_by(|a, b| (&a.class, a.number).cmp(&(&b.class, b.number)));
    }
    families
}

/// The names of the network's modules, by family, in the order of the list.
fn list_modules(parameters: &[Parameter]) -> Outcome<BTreeMap<Family, Vec<String>>> {
    let mut modules: BTreeMap<usize, (String, Shapes<'_>)> = BTreeMap::new();
    for parameter in parameters {
        let Some(at) = parameter.name.find(LIST) else { continue };
        let (before, rest) = parameter.name.split_at(at + LIST.len());
        let Some((number, leaf)) = rest.split_once('.') else { continue };
        let Ok(index) = number.parse() else { continue };
        let module = modules.entry(index).or_insert_with(|| (format!("{before}{number}"), Shapes::new()));
        module.1.insert(leaf, &parameter.shape);
    }
    if modules.is_empty() {
        return fault(
            "is a Flax checkpoint; these can be read for networks of the NCSN++ and DDPM family only",
        );
    }
    let mut families: BTreeMap<Family, Vec<String>> = BTreeMap::new();
    for (name, shapes) in modules.into_values() {
        families.entry(family(&shapes)).or_default().push(name);
    }
    Ok(families)
}

/// What kind of module has tensors of these names and shapes.
fn family(shapes: &Shapes<'_>) -> Family {
    let has = |leaf: &str| shapes.contains_key(leaf);
    if has("GroupNorm_0.weight") {
        return if has("Conv_0.weight") { Family::Residual } else { Family::Attention };
    }
    match shapes.get("Conv_0.weight") {
        Some([_, _, 1, 1]) => return Family::Combine,
        Some(_) => return Family::Resample,
        None if has("Conv2d_0.weight") => return Family::Resample,
        None => {}
    }
    match shapes.get("weight").map(|shape| shape.len()) {
        Some(4) => Family::Convolution,
        Some(2) => Family::Dense,
        Some(_) => Family::Norm,
        None => Family::Fourier,
    }
}
