//! Bundles: a folder with a model card and its tensors, read with suspicion.

use super::copy::read_card;
use super::error::ModelError;
use super::manifest::{Dtype, Manifest, WeightsCard};
use super::source::{MANIFEST, ModelSource};
use candle_core::{DType, Device, Tensor};
use recon_data::atomic::write_bytes;
use recon_data::weights::BuiltinWeights;
use recon_data::{DataError, Overwrite};
use safetensors::{SafeTensors, View, tensor::TensorView};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::{borrow::Cow, fs};

/// The tensors' file name.
pub(super) const WEIGHTS: &str = "weights.safetensors";
/// Longest manifest that is read, bytes.
pub(super) const MAX_MANIFEST: u64 = 1 << 20;
/// How much larger than its numbers a tensor file may be: the header, bytes.
pub(super) const MAX_HEADER: u64 = 1 << 20;

/// The card and the tensors (f32, on the CPU) of `source`, verified.
///
/// # Errors
/// As [`open`](super::open).
pub fn read_source(source: &ModelSource) -> Result<(Manifest, BTreeMap<String, Tensor>), ModelError> {
    let path = source.path();
    let Some(builtin) = source.builtin() else { return read_bundle(&path) };
    let manifest = parse_manifest(builtin.manifest, &path)?;
    let tensors = parse_weights(&manifest, builtin_tensors(&builtin, &path)?, &path)?;
    Ok((manifest, tensors))
}

/// The tensors of a model of the program.
pub(super) fn builtin_tensors(builtin: &BuiltinWeights, path: &Path) -> Result<&'static [u8], ModelError> {
    builtin.weights.ok_or_else(|| ModelError::LeftOut { name: path.display().to_string() })
}

/// The card and the tensors (f32, on the CPU) of a bundle folder, verified.
///
/// # Errors
/// As [`open`](super::open).
pub fn read_bundle(folder: &Path) -> Result<(Manifest, BTreeMap<String, Tensor>), ModelError> {
    let manifest = read_card(&ModelSource::Path(folder.to_owned()))?;
    let path = folder.join(WEIGHTS);
    let bytes = read_bounded(&path, expected_numbers(&manifest) * 4 + MAX_HEADER)?;
    let tensors = parse_weights(&manifest, &bytes, &path)?;
    Ok((manifest, tensors))
}

/// Writes a bundle into `folder`, which is made if need be. The digest, the format and the count of
/// `manifest.weights` are filled in; the card as written is returned.
///
/// # Errors
/// When a file cannot be written or a tensor not be read back from its device.
pub fn write_bundle(
    folder: &Path,
    manifest: &Manifest,
    tensors: &BTreeMap<String, Tensor>,
    dtype: Dtype,
) -> Result<Manifest, ModelError> {
    let path = folder.join(WEIGHTS);
    let network = |source| ModelError::Network { path: path.clone(), source };
    let stored = tensors
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), Stored::new(tensor, dtype)?)))
        .collect::<candle_core::Result<Vec<_>>>()
        .map_err(network)?;
    let bytes = safetensors::serialize(stored, None)
        .map_err(|e| ModelError::Weights { path: path.clone(), detail: e.to_string() })?;
    let parameters = tensors.values().map(|t| t.elem_count() as u64).sum();
    let manifest =
        Manifest { weights: WeightsCard { sha256: sha256(&bytes), dtype, parameters }, ..manifest.clone() };
    let card = toml::to_string(&manifest)
        .map_err(|e| ModelError::Manifest { path: folder.join(MANIFEST), detail: e.to_string() })?;
    fs::create_dir_all(folder).map_err(|source| ModelError::Write { path: folder.to_owned(), source })?;
    replace(&path, &bytes)?;
    replace(&folder.join(MANIFEST), card.as_bytes())?;
    Ok(manifest)
}

pub(super) fn parse_manifest(text: &str, path: &Path) -> Result<Manifest, ModelError> {
    let wrong = |detail: String| ModelError::Manifest { path: path.to_owned(), detail };
    let value: toml::Value = toml::from_str(text).map_err(|e| wrong(e.message().replace('\n', " ")))?;
    if let Some(text) = commands_terminal(&value) {
        return Err(wrong(format!("{text:?} has control characters")));
    }
    let manifest: Manifest =
        toml::from_str(text).map_err(|e| wrong(e.to_string().trim().replace('\n', " ")))?;
    match manifest.problem() {
        Some(detail) => Err(wrong(detail)),
        None => Ok(manifest),
    }
}

/// The start of a text of the card that would do more on a terminal than be read.
fn commands_terminal(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) if text.chars().any(char::is_control) => {
            Some(text.chars().take(40).collect())
        }
        toml::Value::Array(items) => items.iter().find_map(commands_terminal),
        toml::Value::Table(table) => table.values().find_map(commands_terminal),
        _ => None,
    }
}

fn parse_weights(
    manifest: &Manifest,
    bytes: &[u8],
    path: &Path,
) -> Result<BTreeMap<String, Tensor>, ModelError> {
    let wrong = |detail: String| ModelError::Weights { path: path.to_owned(), detail };
    let digest = sha256(bytes);
    if digest != manifest.weights.sha256 {
        return Err(wrong(format!("SHA-256 is {digest}, the card says {}", manifest.weights.sha256)));
    }
    let file =
        SafeTensors::deserialize(bytes).map_err(|e| wrong(format!("is not a safetensors file ({e})")))?;
    let expected: BTreeMap<String, Vec<usize>> =
        manifest.parameters().into_iter().map(|p| (p.name, p.shape)).collect();
    compare_names(&expected, &file).map_err(&wrong)?;
    let read = |(name, shape): (String, Vec<usize>)| {
        let view = file.tensor(&name).map_err(|e| format!("tensor {name}: {e}"))?;
        let tensor = read_tensor(&name, &shape, manifest.weights.dtype, &view)?;
        Ok((name, tensor))
    };
    let tensors = expected.into_iter().map(read).collect::<Result<_, String>>().map_err(&wrong)?;
    let numbers = expected_numbers(manifest);
    if numbers != manifest.weights.parameters {
        return Err(wrong(format!("has {numbers} numbers, the card says {}", manifest.weights.parameters)));
    }
    Ok(tensors)
}

/// Every expected name is there and no other.
fn compare_names(expected: &BTreeMap<String, Vec<usize>>, file: &SafeTensors<'_>) -> Result<(), String> {
    let names = file.names();
    let missing: Vec<&str> = expected.keys().map(String::as_str).filter(|&n| !names.contains(&n)).collect();
    let surplus: Vec<&str> = names.iter().map(|n| &**n).filter(|&n| !expected.contains_key(n)).collect();
    match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("lacks {}", shorten(&missing))),
        (true, false) => Err(format!("has surplus {}", shorten(&surplus))),
    }
}

fn shorten(names: &[&str]) -> String {
    let more = names.len().saturating_sub(4);
    let head = names[..names.len() - more].join(", ");
    if more > 0 { format!("tensors {head} and {more} more") } else { format!("tensor(s) {head}") }
}

fn read_tensor(name: &str, shape: &[usize], dtype: Dtype, view: &TensorView<'_>) -> Result<Tensor, String> {
    if view.shape() != shape {
        return Err(format!("tensor {name} has shape {:?}, the card says {shape:?}", view.shape()));
    }
    let dtype = match (view.dtype(), dtype) {
        (safetensors::Dtype::F16, Dtype::F16) => DType::F16,
        (safetensors::Dtype::F32, Dtype::F32) => DType::F32,
        (other, said) => return Err(format!("tensor {name} is {other:?}, the card says {said:?}")),
    };
    let tensor = Tensor::from_raw_buffer(view.data(), dtype, shape, &Device::Cpu)
        .and_then(|t| t.to_dtype(DType::F32))
        .map_err(|e| format!("tensor {name}: {e}"))?;
    let values =
        tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(|e| format!("tensor {name}: {e}"))?;
    if values.iter().all(|v| v.is_finite()) {
        Ok(tensor)
    } else {
        Err(format!("tensor {name} is not finite"))
    }
}

pub(super) fn expected_numbers(manifest: &Manifest) -> u64 {
    manifest.parameters().iter().map(|p| p.shape.iter().product::<usize>() as u64).sum()
}

/// The file's bytes, refused when there are more than `limit`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    recon_data::open_regular(path).map_err(io)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(ModelError::Weights {
            path: path.to_owned(),
            detail: format!("is larger than {limit} bytes"),
        });
    }
    Ok(bytes)
}

/// Writes beside the target, flushes to disk and renames, so that no half file ever has the final name.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    write_bytes(path, bytes, Overwrite::Force).map_err(|error| {
        let source = match error {
            DataError::Io { source, .. } => source,
            other => std::io::Error::other(other.to_string()),
        };
        ModelError::Write { path: path.to_owned(), source }
    })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A tensor as bytes in the stored format.
struct Stored {
    bytes: Vec<u8>,
    shape: Vec<usize>,
    dtype: Dtype,
}

impl Stored {
    fn new(tensor: &Tensor, dtype: Dtype) -> candle_core::Result<Self> {
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let bytes = match dtype {
            Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Dtype::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        };
        Ok(Self { bytes, shape: tensor.dims().to_vec(), dtype })
    }
}

impl View for Stored {
    fn dtype(&self) -> safetensors::Dtype {
        match self.dtype {
            Dtype::F16 => safetensors::Dtype::F16,
            Dtype::F32 => safetensors::Dtype::F32,
        }
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
