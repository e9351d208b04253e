//! Recorded arrays and networks over them.

use candle_core::{DType, Device, Result, Tensor, bail};
use recon::models::{ArchFile, ScoreNetwork};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) type Arrays = HashMap<String, Tensor>;

/// A folder or file below the reference set, if that is there.
pub(crate) fn oracle(path: &str) -> Option<PathBuf> {
    Some(super::shared()?.join("oracles").join(path))
}

pub(crate) fn arrays(path: &Path) -> Arrays {
    candle_core::safetensors::load(path, &Device::Cpu).expect("recorded arrays")
}

pub(crate) fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a description")).expect("JSON")
}

pub(crate) fn arch(folder: &Path) -> ArchFile {
    ArchFile::parse(&fs::read_to_string(folder.join("arch.toml")).expect("arch.toml")).expect("a network")
}

/// The network over arrays by name.
pub(crate) fn network(arch: &ArchFile, weights: &Arrays) -> ScoreNetwork {
    ScoreNetwork::new(arch, &|name| find(weights, name)).expect("a network over its weights")
}

pub(crate) fn find(weights: &Arrays, name: &str) -> Result<Tensor> {
    match weights.get(name) {
        Some(tensor) => tensor.to_dtype(DType::F32),
        None => bail!("no tensor {name}"),
    }
}

pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// `max |a − b| / max |b|`
pub(crate) fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    let largest = b.iter().fold(f64::MIN_POSITIVE, |m: f64, v| m.max(v.abs()));
    a.iter().zip(&b).fold(0.0, |m: f64, (a, b)| {
        assert!(a.is_finite());
        m.max((a - b).abs())
    }) / largest
}

/// The largest [`relative_error`] of an image of a batch.
pub(crate) fn worst_image(a: &Tensor, b: &Tensor) -> f64 {
    let image = |i| relative_error(&a.get(i).unwrap(), &b.get(i).unwrap());
    (0..b.dim(0).unwrap()).map(image).fold(0.0, f64::max)
}
