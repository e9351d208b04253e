//! Images in the values of a model.

use crate::commands::session::failure::Failure;
use anyhow::Result;
use candle_core::Tensor;
use ndarray::{ArrayD, Axis};
use recon::models::{Prior, Shown, ValueMapping};
use recon_data::{Format, Modality, check_finite, npy};
use recon_pipelines::task::arrays::wrong_shape;
use std::path::Path;

/// The images as `[image, channel, row, col]` in model values.
pub(super) fn read(path: &Path, prior: &Prior) -> Result<Tensor> {
    let x = if Format::of_path(path) == Some(Format::Npy) {
        read_array(path, prior)?
    } else {
        read_scan(path, prior)?
    };
    if x.shape()[1] != prior.channels() || x.is_empty() {
        let wanted =
            format!("at least one image, of {} channel(s), as the network takes them", prior.channels());
        return Err(wrong_shape(path, x.shape(), &wanted));
    }
    let shape = x.shape().to_vec();
    Ok(Tensor::from_vec(x.into_iter().collect(), &shape[..], prior.device())?)
}

/// A scan, its values mapped as those of training images are.
fn read_scan(path: &Path, prior: &Prior) -> Result<ArrayD<f32>> {
    let scan = recon_data::read(path)?;
    let Some(mapping) = prior.manifest().value else {
        let message =
            "the model does not say how scan values map to its own; give a .npy array of model values";
        return Err(Failure::Input(format!("{}: {message}", path.display())).into());
    };
    let is_ct = matches!(mapping, ValueMapping::Hounsfield { .. });
    if scan.modality.is_some_and(|modality| (modality == Modality::Ct) != is_ct) {
        let message = "is not of the modality of the model; choose another with recon model list";
        return Err(Failure::Input(format!("{}: {message}", path.display())).into());
    }
    let values = mapping.model_values(scan.volume.voxels).ok_or_else(|| {
        Failure::Input(format!("{}: has no positive value to scale by; give another image", path.display()))
    })?;
    Ok(values.insert_axis(Axis(1)).into_dyn())
}

/// An array in the values that [`Shown`] tells.
fn read_array(path: &Path, prior: &Prior) -> Result<ArrayD<f32>> {
    let mut x: ArrayD<f32> = npy::read_real(path)?;
    check_finite(path, &x)?;
    let shown = Shown::of(prior.manifest().value);
    x.mapv_inplace(|value| shown.model(value));
    Ok(match x.ndim() {
        2 => x.insert_axis(Axis(0)).insert_axis(Axis(0)),
        3 => x.insert_axis(Axis(1)),
        4 => x,
        _ => return Err(wrong_shape(path, x.shape(), "2, 3 or 4 axes, the last two rows and columns")),
    })
}
