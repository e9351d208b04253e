//! The whole state of a training in one safetensors file, so that a resumed run takes the same path.

use super::trainer::Trainer;
use crate::models::replace;
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use safetensors::{SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Where a training stands, kept as JSON in the file's metadata. The random numbers of a step follow from
/// the seed and the step's number alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub steps: u64,
    /// Seconds spent so far.
    pub seconds: f64,
    /// Seed of crops and noise.
    pub seed: u64,
}

const KEY: &str = "progress";

/// Writes weights, average, moments and `progress` to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn save(trainer: &Trainer, progress: &Progress, path: &Path) -> Result<()> {
    let mut all: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let variables = trainer.variables.iter().map(|(n, v)| (n, v.as_tensor()));
    let parts: [(&str, Vec<(&String, &Tensor)>); 4] = [
        ("net", variables.collect()),
        ("ema", trainer.average.iter().collect()),
        ("first", trainer.adam.first.iter().collect()),
        ("second", trainer.adam.second.iter().collect()),
    ];
    for (part, (name, tensor)) in
        parts.into_iter().flat_map(|(p, list)| list.into_iter().map(move |t| (p, t)))
    {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        all.push((format!("{part}/{name}"), tensor.dims().to_vec(), bytes));
    }
    let mut views = Vec::with_capacity(all.len());
    for (name, shape, bytes) in &all {
        views.push((name, TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes)?));
    }
    let metadata = HashMap::from([(KEY.to_owned(), serde_json::to_string(progress)?)]);
    let bytes = safetensors::serialize(views, Some(metadata))?;
    Ok(replace(path, &bytes)?)
}

/// Puts the state of `path` into `trainer`, which must have the same network.
///
/// # Errors
/// When the file cannot be read or belongs to another network.
pub fn load(trainer: &mut Trainer, path: &Path) -> Result<Progress> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("{shown}: cannot read the training state"))?;
    let wrong = || format!("{shown}: is no training state of this network; start again without --resume");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).with_context(wrong)?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get(KEY)).with_context(wrong)?;
    let progress: Progress = serde_json::from_str(json).with_context(wrong)?;
    let file = SafeTensors::deserialize(&bytes).with_context(wrong)?;
    let tensor = |part: &str, name: &str, like: &Tensor| -> Result<Tensor> {
        let view = file.tensor(&format!("{part}/{name}")).with_context(wrong)?;
        if view.shape() != like.dims() || view.dtype() != safetensors::Dtype::F32 {
            bail!(wrong());
        }
        let stored =
            Tensor::from_raw_buffer(view.data(), candle_core::DType::F32, like.dims(), &Device::Cpu)?;
        Ok(stored.to_device(like.device())?)
    };
    for (name, variable) in &trainer.variables {
        variable.set(&tensor("net", name, variable)?)?;
    }
    let adam = &mut trainer.adam;
    for (part, map) in
        [("ema", &mut trainer.average), ("first", &mut adam.first), ("second", &mut adam.second)]
    {
        for (name, value) in map {
            *value = tensor(part, name, value)?;
        }
    }
    trainer.steps = progress.steps;
    Ok(progress)
}
