//! Published checkpoints, read with suspicion and without running anything in them.
//!
//! A file is a tree of values ([`tree`]) whose tensors stay on disk ([`storage`]) until a network asks for them by
//! name and shape. Four formats are told apart by their first bytes; what each may contain is in
//! `docs/checkpoints.md`. Memory is bounded by the tensors that are asked for, the bytes that these span in the
//! file, and a constant: the values beside the tensors, at most a few hundred megabytes in the worst file and a few
//! in an honest one.

mod assemble;
mod element;
mod fault;
mod flax;
mod flax_names;
mod input;
mod legacy;
mod levels;
mod names;
mod pickle;
mod pytorch;
mod safetensors;
mod states;
mod storage;
mod tree;

pub use element::Element;
pub(crate) use levels::levels as upstream_levels;
pub use states::Weights;
pub use storage::StoredTensor;

use super::{ArchFile, ModelError, Parameter};
use candle_core::Tensor;
use fault::{Fault, Outcome, fault};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tree::Tree;

/// How a checkpoint was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `torch.save` since PyTorch 1.6.
    PyTorch,
    /// `torch.save` before PyTorch 1.6.
    PyTorchLegacy,
    /// `flax.serialization`, MessagePack.
    Flax,
    /// safetensors.
    Safetensors,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PyTorch => "PyTorch",
            Self::PyTorchLegacy => "PyTorch before 1.6",
            Self::Flax => "Flax",
            Self::Safetensors => "safetensors",
        })
    }
}

/// A checkpoint whose values are known and whose tensors are still in the file.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    file: File,
    format: Format,
    tree: Tree,
}

impl Checkpoint {
    /// Reads everything but the tensors.
    ///
    /// # Errors
    /// When the file cannot be read, is of no known format, is cut short or damaged, or asks for code.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let read = || {
            let file = recon_data::open_regular(path)?;
            let format = detect(&file)?;
            let tree = match format {
                Format::PyTorch => pytorch::read(&file),
                Format::PyTorchLegacy => legacy::read(&file),
                Format::Flax => flax::read(&file),
                Format::Safetensors => safetensors::read(&file),
            }?;
            Ok(Self { path: path.to_owned(), file, format, tree })
        };
        read().map_err(|fault| named(path, fault))
    }

    /// How it was written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Every tensor, with the path of keys that leads to it, joined by dots.
    ///
    /// # Errors
    /// When the values are nested too deeply.
    pub fn tensors(&self) -> Result<Vec<(String, &StoredTensor)>, ModelError> {
        let below = self.tree.root.map_or(Ok(Vec::new()), |root| self.tree.tensors_below(root));
        below.map_err(|fault| named(&self.path, fault))
    }

    /// Whether it holds an average of the weights over training.
    ///
    /// # Errors
    /// When the values are nested too deeply.
    pub fn has_average(&self) -> Result<bool, ModelError> {
        let states = states::find(&self.tree).map_err(|fault| named(&self.path, fault))?;
        Ok(states.average.is_some())
    }

    /// The tensors of a network, by the names of `parameters`, in single precision on the CPU.
    ///
    /// Names are matched without the prefixes that wrappers add (`module.` and the like), Flax's by the order in
    /// which modules were made. An unnamed list of averages goes with the trainable parameters in their order;
    /// what training leaves alone then comes from the model.
    ///
    /// # Errors
    /// When these weights are not there; when a tensor is missing, surplus, of another shape, or not finite; when
    /// the file is cut short.
    pub fn assemble(
        &self,
        parameters: &[Parameter],
        weights: Weights,
    ) -> Result<BTreeMap<String, Tensor>, ModelError> {
        let chosen = assemble::choose(&self.tree, self.format, parameters, weights);
        let read = |chosen: BTreeMap<String, StoredTensor>| {
            chosen.into_iter().map(|(name, tensor)| Ok((name.clone(), self.read(&name, &tensor)?))).collect()
        };
        chosen.and_then(read).map_err(|fault| named(&self.path, fault))
    }

    /// The tensors of a published network, as [`Self::assemble`] finds them.
    ///
    /// Flax checkpoints have no list of noise levels; it is computed from the description, as upstream does.
    ///
    /// # Errors
    /// As [`Self::assemble`].
    pub fn network(&self, arch: &ArchFile, weights: Weights) -> Result<BTreeMap<String, Tensor>, ModelError> {
        let mut parameters = arch.parameters();
        let listed = parameters.iter().find(|p| p.name == levels::NAME).map(|p| p.shape.clone());
        match (self.format, listed, levels::levels(arch)) {
            (Format::Flax, Some(shape), Some(levels)) => {
                parameters.retain(|p| p.name != levels::NAME);
                let mut tensors = self.assemble(&parameters, weights)?;
                let levels = Tensor::from_vec(levels, shape, &candle_core::Device::Cpu);
                let levels = levels.map_err(|error| named(&self.path, Fault(format!("sigmas: {error}"))))?;
                tensors.insert(levels::NAME.to_owned(), levels);
                Ok(tensors)
            }
            _ => self.assemble(&parameters, weights),
        }
    }

    /// The count of optimiser steps that the checkpoint states.
    pub fn step(&self) -> Option<u64> {
        let places: [&[&str]; 3] = [&["step"], &["global_step"], &["3"]];
        places.iter().find_map(|path| match self.tree.node(self.tree.at(path)?) {
            tree::Node::Integer(n) => u64::try_from(*n).ok(),
            tree::Node::Number(n) if (0.0..1e15).contains(n) => Some(*n as u64),
            _ => None,
        })
    }

    fn read(&self, name: &str, tensor: &StoredTensor) -> Outcome<Tensor> {
        let storage = &self.tree.storages[tensor.storage as usize];
        let values =
            tensor.read(storage, &self.file).map_err(|Fault(why)| Fault(format!("{why} ({name})")))?;
        if !values.iter().all(|value| value.is_finite()) {
            return fault(format!("tensor {name} is not finite"));
        }
        Tensor::from_vec(values, tensor.shape(), &candle_core::Device::Cpu)
            .map_err(|error| Fault(format!("tensor {name}: {error}")))
    }
}

/// Longest detail of a message, in characters: names in a file may be of any length.
const LONGEST: usize = 300;

/// The fault of this file, in one line.
fn named(path: &Path, Fault(detail): Fault) -> ModelError {
    let harmless = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    let mut line: String = detail.chars().take(LONGEST).map(harmless).collect();
    if detail.chars().nth(LONGEST).is_some() {
        line.push_str(" ...");
    }
    ModelError::Checkpoint { path: path.to_owned(), detail: line }
}

/// The format, by the first bytes.
fn detect(file: &File) -> Outcome<Format> {
    let mut head = Vec::new();
    file.take(legacy::MAGIC.len() as u64).read_to_end(&mut head)?;
    match head.as_slice() {
        [] => fault("is empty"),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Ok(Format::PyTorch),
        head if *head == legacy::MAGIC => Ok(Format::PyTorchLegacy),
        [_, _, _, _, _, _, 0, 0, b'{', ..] => Ok(Format::Safetensors),
        [0x81..=0x8f | 0xde | 0xdf, ..] => Ok(Format::Flax),
        [0x80, 2..=5, ..] => fault("is a bare pickle, not one of PyTorch's checkpoints"),
        _ => fault("is not a PyTorch, Flax or safetensors checkpoint"),
    }
}
