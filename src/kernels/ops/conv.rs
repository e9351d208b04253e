//! Convolutions of variables.

use super::{Gradients, floats, images, outputs, shape, tensor, with_floats, with_parts};
use crate::kernels::Features;
use crate::kernels::conv::conv1x1::{self, PackedMatrix};
use crate::kernels::conv::conv3x3::{self, Finish, Input};
use crate::kernels::conv::conv3x3_grad;
use crate::kernels::conv::filters::PackedFilters;
use crate::kernels::parts::Parts;
use crate::kernels::simd::lanes::Level;
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};

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
        let y = conv3x3::conv3x3(
            self.level,
            Input::plain(floats(x, lx)?, images),
            &filters,
            Finish::bias(floats(b, lb)?),
        );
        Ok((CpuStorage::F32(y), shape(images.with_channels(outputs))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (images, result) = (images(x.layout())?, images(grad.layout())?);
        let adjoint = with_floats(w, |w| PackedFilters::adjoint(w, result.channels, images.channels))?;
        let (by_x, by_b) = with_floats(grad, |g| {
            (
                conv3x3::conv3x3(self.level, Input::plain(g, result), &adjoint, Finish::bias(&[])),
                conv3x3_grad::bias_gradient(self.level, g, result),
            )
        })?;
        let by_w = with_floats(x, |x| {
            with_floats(grad, |g| {
                conv3x3_grad::filter_gradient(self.level, Input::plain(x, images), g, result.channels)
            })
        })??;
        Ok((
            Some(tensor(by_x, images, x)?),
            Some(Tensor::from_vec(by_w, w.shape(), w.device())?),
            Some(Tensor::from_vec(by_b, b.shape(), b.device())?),
        ))
    }
}

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
        let y = conv1x1::conv1x1(self.level, Parts::whole(floats(x, lx)?, images), &matrix, floats(b, lb)?);
        Ok((CpuStorage::F32(y), shape(images.with_channels(outputs))))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, b: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (images, result) = (images(x.layout())?, images(grad.layout())?);
        let adjoint = with_floats(w, |w| PackedMatrix::adjoint(w, result.channels, images.channels))?;
        let (by_x, by_b) = with_floats(grad, |g| {
            (
                conv1x1::conv1x1(self.level, Parts::whole(g, result), &adjoint, &[]),
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

pub(in crate::kernels) fn conv3x3(
    level: Level,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Conv3x3 { level })
}

pub(in crate::kernels) fn conv1x1(
    level: Level,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Conv1x1 { level })
}

/// 1x1 convolution without a gradient.
pub(in crate::kernels) fn conv1x1_of(
    level: Level,
    x: Features<'_>,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    let (_, channels) = x.planes()?;
    let outputs = outputs(weight.layout(), bias.layout(), channels, 1)?;
    let matrix = with_floats(weight, |w| PackedMatrix::new(w, outputs, channels))?;
    let run = |x: Parts<'_>| {
        let y = with_floats(bias, |bias| conv1x1::conv1x1(level, x, &matrix, bias))?;
        Tensor::from_vec(y, shape(x.images.with_channels(outputs)), &Device::Cpu)
    };
    with_parts(x, run)?
}
