//! The CPU kernels as candle operations with their gradients.

mod block;
mod conv;
mod frozen;
mod norm;
mod normed;
mod parameters;
mod resample;

pub(super) use block::residual_block;
pub(super) use conv::{conv1x1, conv1x1_of, conv3x3};
pub(super) use frozen::FrozenConv3x3;
pub(super) use norm::norm_silu;
pub(super) use normed::norm_silu_conv3x3;
pub(super) use resample::{average_pool, upsample_concat};

use super::Features;
use super::images::Images;
use super::parts::Parts;
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

/// Calls `read` with the numbers of CPU features.
fn with_parts<T>(x: Features<'_>, read: impl FnOnce(Parts<'_>) -> T) -> Result<T> {
    let (first, second) = match x {
        Features::One(x) => {
            let images = images(x.layout())?;
            return with_floats(x, |x| read(Parts::whole(x, images)));
        }
        Features::Joined(first, second) | Features::Doubled(first, second) => (first, second),
    };
    let (small, large) = (images(first.layout())?, images(second.layout())?);
    let factor = if matches!(x, Features::Doubled(..)) { 2 } else { 1 };
    if (small.batch, factor * small.rows, factor * small.cols) != (large.batch, large.rows, large.cols) {
        bail!("{:?} does not fit {:?}", first.shape(), second.shape());
    }
    with_floats(first, |first| {
        with_floats(second, |second| read(Parts::joined(first, small, second, large)))
    })?
}
