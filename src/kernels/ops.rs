//! The CPU kernels as candle operations with their gradients.

use super::conv1x1::{self, PackedMatrix};
use super::conv3x3::{self, Images, PackedFilters};
use super::lanes::Level;
use super::norm::{self, Affine};
use super::{conv3x3_grad, resample};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail,
};
use std::sync::{Arc, OnceLock};

/// The numbers of a contiguous f32 storage.
pub(super) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((from, to))) = (storage, layout.contiguous_offsets()) else {
        bail!("the CPU kernels take contiguous f32 tensors")
    };
    Ok(&values[from..to])
}

/// Calls `read` with the numbers of a CPU tensor.
fn with_floats<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> T) -> Result<T> {
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

fn tensor(values: Vec<f32>, i: Images, like: &Tensor) -> Result<Tensor> {
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

/// 3x3 convolution of variables.
struct Conv3x3 {
    level: Level,
}

impl CustomOp3 for Conv3x3 {
    fn name(&self) -> &'static str {
        "conv3x3"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let images = images(lx)?;
        let outputs = outputs(lw, lb, images.channels, 3)?;
        let filters = PackedFilters::new(floats(w, lw)?, outputs, images.channels);
        let y = conv3x3::conv3x3(self.level, floats(x, lx)?, images, &filters, floats(b, lb)?);
        Ok((CpuStorage::F32(y), shape(images.with_channels(outputs))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (images, result) = (images(x.layout())?, images(grad.layout())?);
        let adjoint = with_floats(w, |w| PackedFilters::adjoint(w, result.channels, images.channels))?;
        let (by_x, by_b) = with_floats(grad, |g| {
            (
                conv3x3::conv3x3(self.level, g, result, &adjoint, &[]),
                conv3x3_grad::bias_gradient(self.level, g, result),
            )
        })?;
        let by_w = with_floats(x, |x| {
            with_floats(grad, |g| conv3x3_grad::filter_gradient(self.level, x, images, g, result.channels))
        })??;
        Ok((
            Some(tensor(by_x, images, x)?),
            Some(Tensor::from_vec(by_w, w.shape(), w.device())?),
            Some(Tensor::from_vec(by_b, b.shape(), b.device())?),
        ))
    }
}

type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

/// 1x1 convolution of variables.
struct Conv1x1 {
    level: Level,
}

impl CustomOp3 for Conv1x1 {
    fn name(&self) -> &'static str {
        "conv1x1"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let images = images(lx)?;
        let outputs = outputs(lw, lb, images.channels, 1)?;
        let matrix = PackedMatrix::new(floats(w, lw)?, outputs, images.channels);
        let y = conv1x1::conv1x1(self.level, floats(x, lx)?, images, &matrix, floats(b, lb)?);
        Ok((CpuStorage::F32(y), shape(images.with_channels(outputs))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (images, result) = (images(x.layout())?, images(grad.layout())?);
        let adjoint = with_floats(w, |w| PackedMatrix::adjoint(w, result.channels, images.channels))?;
        let (by_x, by_b) = with_floats(grad, |g| {
            (
                conv1x1::conv1x1(self.level, g, result, &adjoint, &[]),
                conv3x3_grad::bias_gradient(self.level, g, result),
            )
        })?;
        let by_w = with_floats(x, |x| {
            with_floats(grad, |g| conv1x1::matrix_gradient(self.level, x, images, g, result.channels))
        })??;
        Ok((
            Some(tensor(by_x, images, x)?),
            Some(Tensor::from_vec(by_w, w.shape(), w.device())?),
            Some(Tensor::from_vec(by_b, b.shape(), b.device())?),
        ))
    }
}

/// Fused normalisation, affine map and SiLU.
struct NormSilu {
    level: Level,
    groups: usize,
    eps: f64,
}

impl CustomOp3 for NormSilu {
    fn name(&self) -> &'static str {
        "norm_silu"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        scale: &CpuStorage,
        ls: &Layout,
        shift: &CpuStorage,
        lt: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let images = images(lx)?;
        let wanted = [images.batch, images.channels];
        let whole = self.groups > 0 && images.channels.is_multiple_of(self.groups);
        if !whole || ls.shape().dims() != wanted || lt.shape().dims() != wanted {
            bail!(
                "{} groups, scale {:?} and shift {:?} do not fit {wanted:?}",
                self.groups,
                ls.shape(),
                lt.shape()
            );
        }
        let affine = Affine { scale: floats(scale, ls)?, shift: floats(shift, lt)? };
        let y = norm::norm_silu(self.level, floats(x, lx)?, images, affine, self.groups, self.eps);
        Ok((CpuStorage::F32(y), shape(images)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<Gradients> {
        let images = images(x.layout())?;
        let (scales, shifts) = (with_floats(scale, <[f32]>::to_vec)?, with_floats(shift, <[f32]>::to_vec)?);
        let affine = Affine { scale: &scales, shift: &shifts };
        let norm = (self.groups, self.eps);
        let [by_x, by_scale, by_shift] = with_floats(x, |x| {
            with_floats(grad, |g| norm::norm_silu_gradient(self.level, x, images, affine, norm, g))
        })??;
        Ok((
            Some(tensor(by_x, images, x)?),
            Some(Tensor::from_vec(by_scale, scale.shape(), x.device())?),
            Some(Tensor::from_vec(by_shift, shift.shape(), x.device())?),
        ))
    }
}

/// The mean of 2x2 blocks.
struct AveragePool;

impl CustomOp1 for AveragePool {
    fn name(&self) -> &'static str {
        "average_pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        let images = images(lx)?;
        if !images.rows.is_multiple_of(2) || !images.cols.is_multiple_of(2) {
            bail!("{} x {} pixels cannot be halved", images.rows, images.cols);
        }
        let y = resample::pool(floats(x, lx)?, images, 1.0);
        Ok((CpuStorage::F32(y), shape(Images { rows: images.rows / 2, cols: images.cols / 2, ..images })))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let small = images(grad.layout())?;
        let by_x = with_floats(grad, |g| resample::repeat(g, small, 0.25))?;
        Ok(Some(tensor(by_x, images(x.layout())?, x)?))
    }
}

/// Doubling and concatenation.
struct UpsampleConcat;

impl CustomOp2 for UpsampleConcat {
    fn name(&self) -> &'static str {
        "upsample_concat"
    }

    fn cpu_fwd(
        &self,
        deep: &CpuStorage,
        ld: &Layout,
        skip: &CpuStorage,
        ls: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (small, large) = (images(ld)?, images(ls)?);
        if (small.batch, 2 * small.rows, 2 * small.cols) != (large.batch, large.rows, large.cols) {
            bail!("{:?} is not half of {:?}", ld.shape(), ls.shape());
        }
        let y = resample::double_concat(floats(deep, ld)?, small, floats(skip, ls)?, large);
        Ok((CpuStorage::F32(y), shape(large.with_channels(small.channels + large.channels))))
    }

    fn bwd(
        &self,
        deep: &Tensor,
        skip: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (small, large) = (images(deep.layout())?, images(skip.layout())?);
        let doubled = grad.narrow(1, 0, small.channels)?;
        let by_deep = with_floats(&doubled, |g| resample::pool(g, large.with_channels(small.channels), 4.0))?;
        let by_skip = grad.narrow(1, small.channels, large.channels)?.contiguous()?;
        Ok((Some(tensor(by_deep, small, deep)?), Some(by_skip)))
    }
}

/// 3x3 convolution with filters that never change: they are transformed once.
#[derive(Clone)]
pub(super) struct FrozenConv3x3 {
    level: Level,
    weight: Arc<Vec<f32>>,
    bias: Arc<Vec<f32>>,
    forward: Arc<PackedFilters>,
    adjoint: Arc<OnceLock<PackedFilters>>,
}

impl FrozenConv3x3 {
    pub(super) fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        let inputs = weight.dim(1)?;
        let outputs = outputs(weight.layout(), bias.layout(), inputs, 3)?;
        let weight = with_floats(weight, <[f32]>::to_vec)?;
        Ok(Self {
            level: Level::best(),
            forward: Arc::new(PackedFilters::new(&weight, outputs, inputs)),
            weight: Arc::new(weight),
            bias: Arc::new(with_floats(bias, <[f32]>::to_vec)?),
            adjoint: Arc::default(),
        })
    }

    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1(self.clone())
    }
}

impl CustomOp1 for FrozenConv3x3 {
    fn name(&self) -> &'static str {
        "frozen_conv3x3"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        let images = images(lx)?;
        if images.channels != self.forward.inputs {
            bail!("{} channels instead of {}", images.channels, self.forward.inputs);
        }
        let y = conv3x3::conv3x3(self.level, floats(x, lx)?, images, &self.forward, &self.bias);
        Ok((CpuStorage::F32(y), shape(images.with_channels(self.forward.outputs))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (outputs, inputs) = (self.forward.outputs, self.forward.inputs);
        let adjoint = self.adjoint.get_or_init(|| PackedFilters::adjoint(&self.weight, outputs, inputs));
        let result = images(grad.layout())?;
        let by_x = with_floats(grad, |g| conv3x3::conv3x3(self.level, g, result, adjoint, &[]))?;
        Ok(Some(tensor(by_x, images(x.layout())?, x)?))
    }
}

pub(super) fn conv3x3(level: Level, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Conv3x3 { level })
}

pub(super) fn conv1x1(level: Level, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Conv1x1 { level })
}

pub(super) fn norm_silu(
    level: Level,
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    (groups, eps): (usize, f64),
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&scale.contiguous()?, &shift.contiguous()?, NormSilu { level, groups, eps })
}

pub(super) fn average_pool(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(AveragePool)
}

pub(super) fn upsample_concat(deep: &Tensor, skip: &Tensor) -> Result<Tensor> {
    deep.contiguous()?.apply_op2(&skip.contiguous()?, UpsampleConcat)
}
