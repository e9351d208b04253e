//! Convolution with filters that never change.

use super::norm::curves;
use super::{floats, images, outputs, shape, tensor, with_floats, with_parts};
use crate::kernels::conv::conv3x3::{self, Finish, Input};
use crate::kernels::conv::filters::PackedFilters;
use crate::kernels::images::Images;
use crate::kernels::parts::Parts;
use crate::kernels::simd::lanes::Level;
use crate::kernels::{Around, Features};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, bail};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// 3x3 convolution with filters that never change: they are transformed once.
#[derive(Clone)]
pub(in crate::kernels) struct FrozenConv3x3 {
    level: Level,
    weight: Arc<Vec<f32>>,
    bias: Arc<Vec<f32>>,
    forward: Arc<PackedFilters>,
    adjoint: Arc<OnceLock<PackedFilters>>,
}

impl FrozenConv3x3 {
    pub(in crate::kernels) fn new(weight: &Tensor, bias: &Tensor) -> Result<Self> {
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

    pub(in crate::kernels) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.contiguous()?.apply_op1(self.clone())
    }

    /// The convolution and what stands around it in one pass; the result has no gradient.
    pub(in crate::kernels) fn apply_around(&self, x: Features<'_>, around: &Around<'_>) -> Result<Tensor> {
        let run = |x: Parts<'_>| {
            let result = x.images.with_channels(self.forward.outputs);
            self.check(x.images, result, around)?;
            let curves = match &around.norm {
                Some(norm) => curves(self.level, norm, x)?,
                None => Vec::new(),
            };
            let (bias, scale) = (self.shifted_bias(around.shift)?, around.scale as f32);
            let run = |residual: &[f32]| {
                let finish = Finish { bias: &bias, residual, scale };
                conv3x3::conv3x3(self.level, Input { parts: x, curves: &curves }, &self.forward, finish)
            };
            let y = around.residual.map_or_else(|| Ok(run(&[])), |residual| with_floats(residual, run))?;
            Tensor::from_vec(y, shape(result), &Device::Cpu)
        };
        with_parts(x, run)?
    }

    fn check(&self, images: Images, result: Images, around: &Around<'_>) -> Result<()> {
        let fits = |t: Option<&Tensor>, wanted: &[usize]| t.is_none_or(|t| t.dims() == wanted);
        if images.channels != self.forward.inputs
            || !fits(around.shift, &[result.batch, result.channels])
            || !fits(around.residual, shape(result).dims())
        {
            bail!("{images:?} and what is added do not fit {} channels", self.forward.inputs);
        }
        Ok(())
    }

    /// The bias, and what is added to it for each image.
    fn shifted_bias(&self, shift: Option<&Tensor>) -> Result<Cow<'_, [f32]>> {
        let Some(shift) = shift else { return Ok(Cow::Borrowed(&self.bias)) };
        let sum = |shift: &[f32]| shift.iter().zip(self.bias.iter().cycle()).map(|(s, b)| s + b).collect();
        Ok(Cow::Owned(with_floats(shift, sum)?))
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
        let y = conv3x3::conv3x3(
            self.level,
            Input::plain(floats(x, lx)?, images),
            &self.forward,
            Finish::bias(&self.bias),
        );
        Ok((CpuStorage::F32(y), shape(images.with_channels(self.forward.outputs))))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (outputs, inputs) = (self.forward.outputs, self.forward.inputs);
        let adjoint = self.adjoint.get_or_init(|| PackedFilters::adjoint(&self.weight, outputs, inputs));
        let result = images(grad.layout())?;
        let by_x = with_floats(grad, |g| {
            conv3x3::conv3x3(self.level, Input::plain(g, result), adjoint, Finish::bias(&[]))
        })?;
        Ok(Some(tensor(by_x, images(x.layout())?, x)?))
    }
}
