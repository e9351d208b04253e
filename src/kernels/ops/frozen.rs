//! Convolution with filters that never change.

use super::{Norm, floats, images, outputs, shape, tensor, with_floats};
use crate::kernels::conv3x3::{self, Finish, Input};
use crate::kernels::filters::PackedFilters;
use crate::kernels::lanes::Level;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
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

    /// Normalisation, convolution and sum in one pass over the image; its result has no gradient.
    pub(in crate::kernels) fn apply_fused(
        &self,
        x: &Tensor,
        norm: &Norm<'_>,
        residual: Option<&Tensor>,
    ) -> Result<Tensor> {
        let images = images(x.layout())?;
        if images.channels != self.forward.inputs {
            bail!("{} channels instead of {}", images.channels, self.forward.inputs);
        }
        let result = images.with_channels(self.forward.outputs);
        if let Some(residual) = residual
            && residual.dims() != shape(result).dims()
        {
            bail!("{:?} cannot be added to {result:?}", residual.shape());
        }
        let run = |x: &[f32], residual: &[f32]| -> Result<Vec<f32>> {
            let curves = norm.curves(self.level, x, images)?;
            let input = Input { values: x, images, curves: &curves };
            let finish = Finish { residual, ..Finish::bias(&self.bias) };
            Ok(conv3x3::conv3x3(self.level, input, &self.forward, finish))
        };
        let y = match residual {
            Some(residual) => with_floats(x, |x| with_floats(residual, |residual| run(x, residual))?)?,
            None => with_floats(x, |x| run(x, &[]))?,
        }?;
        tensor(y, result, x)
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
