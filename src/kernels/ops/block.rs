//! A residual block of variables as one operation: between its layers nothing passes through the graph.

use super::parameters::{Half, Parameters, Sizes};
use super::{floats, images, shape, tensor, with_floats, with_parts};
use crate::kernels::conv::conv1x1::{self, PackedMatrix};
use crate::kernels::conv::conv3x3::{self, Finish, Input};
use crate::kernels::conv::conv3x3_grad::{bias_gradient, filter_gradient};
use crate::kernels::conv::filters::PackedFilters;
use crate::kernels::images::Images;
use crate::kernels::norm::{self, Moments};
use crate::kernels::parts::Parts;
use crate::kernels::plane::resample;
use crate::kernels::simd::lanes::Level;
use crate::kernels::{Features, ResidualBlock};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// `s(x) + conv₂(silu(norm₂(conv₁(silu(norm₁(x))))))`.
///
/// An operation takes three tensors at most: all parameters come one behind the other in one.
struct Block {
    level: Level,
    sizes: Sizes,
    groups: [usize; 2],
    eps: [f64; 2],
    /// Whether each pixel of the first of two tensors stands for a square.
    doubled: bool,
    /// From the way forward to the way back.
    kept: Mutex<Option<Kept>>,
}

/// What the way back needs and the way forward has.
struct Kept {
    /// What the first convolution gave.
    between: Vec<f32>,
    /// Of the inputs of both convolutions.
    moments: [Vec<Moments>; 2],
}

/// The gradients of one half.
struct HalfGradient {
    by_x: Vec<f32>,
    /// In the order of the parameters.
    by_parameters: [Vec<f32>; 4],
}

impl Block {
    fn moments(&self, n: usize, x: Parts<'_>) -> Vec<Moments> {
        norm::moments(self.level, x, self.groups[n], self.eps[n])
    }

    fn half(&self, half: &Half<'_>, x: Parts<'_>, moments: &[Moments], residual: &[f32]) -> Vec<f32> {
        let curves = norm::curves(moments, x.images, half.affine);
        let filters = PackedFilters::new(half.filters, self.sizes.outputs, x.images.channels);
        let finish = Finish { residual, ..Finish::bias(half.bias) };
        conv3x3::conv3x3(self.level, Input { parts: x, curves: &curves }, &filters, finish)
    }

    fn forward(&self, x: Parts<'_>, plain: &[f32], parameters: &[f32]) -> Result<(CpuStorage, Shape)> {
        let Parameters { halves: [first, second], skip } = self.sizes.split(parameters)?;
        let result = x.images.with_channels(self.sizes.outputs);
        let kept = self.way_forward(&first, x, result);
        let passing = self.sizes.skips.then(|| {
            let matrix = PackedMatrix::new(skip.1, self.sizes.outputs, self.sizes.inputs);
            conv1x1::conv1x1(self.level, x, &matrix, skip.0)
        });
        let (between, residual) = (Parts::whole(&kept.between, result), passing.as_deref().unwrap_or(plain));
        let y = self.half(&second, between, &kept.moments[1], residual);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok((CpuStorage::F32(y), shape(result)))
    }

    fn way_forward(&self, first: &Half<'_>, x: Parts<'_>, result: Images) -> Kept {
        let moments = self.moments(0, x);
        let between = self.half(first, x, &moments, &[]);
        let later = self.moments(1, Parts::whole(&between, result));
        Kept { between, moments: [moments, later] }
    }

    fn half_gradient(
        &self,
        half: &Half<'_>,
        moments: &[Moments],
        (x, images): (&[f32], Images),
        (grad, result): (&[f32], Images),
    ) -> HalfGradient {
        let parts = Parts::whole(x, images);
        let curves = norm::curves(moments, images, half.affine);
        let by_filters = filter_gradient(self.level, Input { parts, curves: &curves }, grad, result.channels);
        let adjoint = PackedFilters::adjoint(half.filters, result.channels, images.channels);
        let by_activated =
            conv3x3::conv3x3(self.level, Input::plain(grad, result), &adjoint, Finish::bias(&[]));
        let [by_x, by_scale, by_shift] =
            norm::norm_silu_gradient(self.level, x, images, half.affine, moments, &by_activated);
        let by_bias = bias_gradient(self.level, grad, result);
        HalfGradient { by_x, by_parameters: [by_scale, by_shift, by_bias, by_filters] }
    }

    /// The gradients by `x` and by all parameters.
    fn backward(
        &self,
        (x, images): (&[f32], Images),
        parameters: &[f32],
        (grad, result): (&[f32], Images),
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let Parameters { halves: [first, second], skip } = self.sizes.split(parameters)?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Whoever goes back twice finds nothing the second time.
        let kept = kept.unwrap_or_else(|| self.way_forward(&first, Parts::whole(x, images), result));
        let Kept { between, moments } = kept;
        let later = self.half_gradient(&second, &moments[1], (&between, result), (grad, result));
        drop(between);
        let HalfGradient { mut by_x, by_parameters } =
            self.half_gradient(&first, &moments[0], (x, images), (&later.by_x, result));
        let by_bias = later.by_parameters[2].clone();
        let mut all = [by_parameters, later.by_parameters].concat().concat();
        if self.sizes.skips {
            let adjoint = PackedMatrix::adjoint(skip.1, result.channels, images.channels);
            let passing = conv1x1::conv1x1(self.level, Parts::whole(grad, result), &adjoint, &[]);
            add(&mut by_x, &passing);
            all.extend(by_bias);
            all.extend(conv1x1::matrix_gradient(self.level, x, images, grad, result.channels));
        } else {
            add(&mut by_x, grad);
        }
        Ok((by_x, all))
    }
}

fn add(sum: &mut [f32], values: &[f32]) {
    sum.par_iter_mut().with_min_len(1 << 14).zip(values).for_each(|(s, v)| *s += v);
}

impl CustomOp2 for Block {
    fn name(&self) -> &'static str {
        "residual_block"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        parameters: &CpuStorage,
        lp: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = floats(x, lx)?;
        self.forward(Parts::whole(x, images(lx)?), x, floats(parameters, lp)?)
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (images, result) = (images(x.layout())?, images(grad.layout())?);
        let (by_x, by_parameters) = with_floats(x, |x| {
            with_floats(parameters, |p| with_floats(grad, |g| self.backward((x, images), p, (g, result))))
        })????;
        let by_parameters = Tensor::from_vec(by_parameters, parameters.shape(), x.device())?;
        Ok((Some(tensor(by_x, images, x)?), Some(by_parameters)))
    }
}

impl CustomOp3 for Block {
    fn name(&self) -> &'static str {
        "residual_block_of_two"
    }

    fn cpu_fwd(
        &self,
        first: &CpuStorage,
        lf: &Layout,
        second: &CpuStorage,
        ls: &Layout,
        parameters: &CpuStorage,
        lp: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = Parts::joined(floats(first, lf)?, images(lf)?, floats(second, ls)?, images(ls)?);
        self.forward(x, &[], floats(parameters, lp)?)
    }

    fn bwd(
        &self,
        first: &Tensor,
        second: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (small, large) = (images(first.layout())?, images(second.layout())?);
        let (whole, result) = (large.with_channels(self.sizes.inputs), images(grad.layout())?);
        let features = if self.doubled { Features::Doubled } else { Features::Joined };
        let x = features(&first.detach(), &second.detach()).join()?;
        let (by_x, by_parameters) = with_floats(&x, |x| {
            with_floats(parameters, |p| with_floats(grad, |g| self.backward((x, whole), p, (g, result))))
        })????;
        let by_second = resample::channels(&by_x, whole, small.channels..whole.channels);
        let by_first = if self.doubled {
            resample::pool_first(&by_x, whole, small, 4.0)
        } else {
            resample::channels(&by_x, whole, 0..small.channels)
        };
        let by_parameters = Tensor::from_vec(by_parameters, parameters.shape(), x.device())?;
        let by_first = tensor(by_first, small, first)?;
        Ok((Some(by_first), Some(tensor(by_second, large, second)?), Some(by_parameters)))
    }
}

/// The block as one operation.
pub(in crate::kernels) fn residual_block(
    level: Level,
    x: Features<'_>,
    block: &ResidualBlock<'_>,
) -> Result<Tensor> {
    let joined;
    let x = match x {
        Features::One(_) => x,
        _ if block.skip.is_some() => x,
        // What passes by as it is must stand in one piece.
        _ => {
            joined = x.join()?;
            Features::One(&joined)
        }
    };
    let (batch, inputs) = x.planes()?;
    let outputs = block.convolutions[0].1.elem_count();
    let whole = with_parts(x, |x| x.images)?;
    block.norms[0].check(whole)?;
    block.norms[1].check(whole.with_channels(outputs))?;
    let sizes = Sizes { batch, inputs, outputs, skips: block.skip.is_some() };
    let mut flat = Vec::new();
    for (norm, (weight, bias)) in block.norms.iter().zip(&block.convolutions) {
        for part in [norm.scale, norm.shift, bias, weight] {
            flat.push(part.flatten_all()?);
        }
    }
    if let Some((weight, bias)) = block.skip {
        flat.extend([bias.flatten_all()?, weight.flatten_all()?]);
    }
    let parameters = Tensor::cat(&flat, 0)?;
    let op = Block {
        level,
        sizes,
        groups: block.norms.map(|n| n.groups),
        eps: block.norms.map(|n| n.eps),
        doubled: matches!(x, Features::Doubled(..)),
        kept: Mutex::default(),
    };
    match x {
        Features::One(x) => x.contiguous()?.apply_op2(&parameters, op),
        Features::Joined(a, b) | Features::Doubled(a, b) => {
            a.contiguous()?.apply_op3(&b.contiguous()?, &parameters, op)
        }
    }
}
