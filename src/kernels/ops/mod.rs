//! The CPU kernels as candle operations with their gradients.

mod conv;
mod frozen;
mod norm;
mod resample;

pub(super) use conv::{conv1x1, conv3x3};
pub(super) use frozen::FrozenConv3x3;
pub(super) use norm::norm_silu;
pub(super) use resample::{average_pool, upsample_concat};

use super::conv3x3::Images;
use candle_core::{CpuStorage, Layout, Result, Shape, Storage, Tensor, bail};

/// The numbers of a contiguous f32 storage.
pub(super) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((from, to))) = (storage, layout.contiguous_offsets()) else {
        bail!("the CPU kernels take contiguous f32 tensors")
    };
    Ok(&values[from..to])
}

/// Calls `read` with the numbers of a CPU tensor.
pub(super) fn with_floats<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => Ok(read(floats(cpu, layout)?)),
        _ => bail!("the CPU kernels take CPU tensors"),
    }
}

pub(super) fn images(layout: &Layout) -> Result<Images> {
    let (batch, channels, rows, cols) = layout.shape().dims4()?;
    if batch * channels * rows * cols == 0 {
        bail!("an image without pixels: {:?}", layout.shape());
    }
    Ok(Images { batch, channels, rows, cols })
}

pub(super) fn shape(i: Images) -> Shape {
    Shape::from((i.batch, i.channels, i.rows, i.cols))
}

pub(super) fn tensor(values: Vec<f32>, i: Images, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, shape(i), like.device())
}

/// Output channels, after a check of the weight and bias shapes.
fn outputs(weight: &Layout, bias: &Layout, inputs: usize, side: usize) -> Result<usize> {
    let (outputs, depth, rows, cols) = weight.shape().dims4()?;
    if (depth, rows, cols) != (inputs, side, side) || bias.shape().dims() != [outputs] || outputs == 0 {
        bail!("weight {:?} and bias {:?} do not fit {inputs} channels", weight.shape(), bias.shape());
    }
    Ok(outputs)
}

/// What three tensors changed the loss by.
type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);
