//! The whole state of a training in one safetensors file, so that a resumed run takes the same path.

use super::parameters::Parameters;
use crate::models::replace;
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use safetensors::{SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Where a training stands, kept as JSON in the file's metadata. The random numbers of a step follow from
/// the seed and the step's number alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps taken.
    pub steps: u64,
    /// Seconds spent so far.
    pub seconds: f64,
    /// Seed of crops and noise.
    pub seed: u64,
    /// Sum of the losses since the last line of the log.
    #[serde(default, with = "bits")]
    pub loss_sum: f64,
    /// How many they are.
    #[serde(default)]
    pub loss_count: u64,
    /// The best mean PSNR of a validation so far.
    #[serde(default)]
    pub best: Option<f64>,
    /// What the run was told, apart from its length; for people.
    #[serde(default)]
    pub recipe: String,
}

/// A number as its bits: decimals are read back with an error in the last place now and then.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        u64::deserialize(from).map(f64::from_bits)
    }
}

const KEY: &str = "progress";

/// Writes weights, average, moments and `progress` to `path`: all of it or nothing.
///
/// # Errors
/// When the file cannot be written.
pub fn save(parameters: &Parameters, progress: &Progress, path: &Path) -> Result<()> {
    let mut all: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let variables = parameters.variables.iter().map(|(n, v)| (n, v.as_tensor()));
    let parts: [(&str, Vec<(&String, &Tensor)>); 5] = [
        ("net", variables.collect()),
        ("ema", parameters.average.iter().collect()),
        ("first", parameters.adam.first.iter().collect()),
        ("second", parameters.adam.second.iter().collect()),
        ("fixed", parameters.fixed.iter().collect()),
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

/// Puts the state of `path` into `parameters`, which must be those of the same network.
///
/// # Errors
/// When the file cannot be read or belongs to another network, also to one that differs only in the tensors that
/// training leaves alone.
pub fn load(parameters: &mut Parameters, path: &Path) -> Result<Progress> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("{shown}: cannot read the training state"))?;
    let wrong = || format!("{shown}: is not a training state of this network; start again without --resume");
    let progress = metadata(&bytes).with_context(wrong)?;
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
    if file.len() != 4 * parameters.variables.len() + parameters.fixed.len() {
        bail!(wrong());
    }
    for (name, fixed) in &parameters.fixed {
        let stored = tensor("fixed", name, fixed)?;
        if stored.flatten_all()?.to_vec1::<f32>()? != fixed.flatten_all()?.to_vec1::<f32>()? {
            bail!(
                "{shown}: the run began with another {name}; give the --seed or the --init that it began with"
            );
        }
    }
    for (name, variable) in &parameters.variables {
        variable.set(&tensor("net", name, variable)?)?;
    }
    let adam = &mut parameters.adam;
    for (part, map) in
        [("ema", &mut parameters.average), ("first", &mut adam.first), ("second", &mut adam.second)]
    {
        for (name, value) in map {
            *value = tensor(part, name, value)?;
        }
    }
    parameters.steps = progress.steps;
    Ok(progress)
}

fn metadata(bytes: &[u8]) -> Result<Progress> {
    let (_, metadata) = SafeTensors::read_metadata(bytes)?;
    let json =
        metadata.metadata().as_ref().and_then(|m| m.get(KEY)).context("says nothing of its progress")?;
    Ok(serde_json::from_str(json)?)
}
