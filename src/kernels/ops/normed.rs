//! Normalisation, SiLU and convolution of variables as one operation, so that nothing is kept in between.

use super::{Gradients, floats, images, outputs, shape, tensor, with_floats};
use crate::kernels::Norm;
use crate::kernels::conv::conv3x3::{self, Finish, Input};
use crate::kernels::conv::conv3x3_grad::{bias_gradient, filter_gradient};
use crate::kernels::conv::filters::PackedFilters;
use crate::kernels::images::Images;
use crate::kernels::norm::{self, Affine, Moments};
use crate::kernels::parts::Parts;
use crate::kernels::simd::lanes::Level;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

/// `w ∗ silu(scale · x̂ + shift) + b`.
///
/// An operation takes three tensors at most: `scale`, `shift` and `b` come one behind the other in one.
struct NormedConv3x3 {
    level: Level,
    groups: usize,
    eps: f64,
}

/// The vectors of [`NormedConv3x3`].
struct Vectors<'a> {
    affine: Affine<'a>,
    bias: &'a [f32],
}

impl<'a> Vectors<'a> {
    fn split(all: &'a [f32], images: Images) -> Self {
        let planes = images.batch * images.channels;
        let affine = Affine { scale: &all[..planes], shift: &all[planes..2 * planes] };
        Self { affine, bias: &all[2 * planes..] }
    }
}

impl NormedConv3x3 {
    fn moments(&self, x: &[f32], images: Images) -> Vec<Moments> {
        norm::moments(self.level, Parts::whole(x, images), self.groups, self.eps)
    }

    /// The gradients by `x`, the vectors and the filters.
    fn gradients(
        &self,
        (x, images): (&[f32], Images),
        vectors: &[f32],
        w: &[f32],
        (grad, result): (&[f32], Images),
    ) -> [Vec<f32>; 3] {
        let Vectors { affine, .. } = Vectors::split(vectors, images);
        let moments = self.moments(x, images);
        let curves = norm::curves(&moments, images, affine);
        let input = Input { parts: Parts::whole(x, images), curves: &curves };
        let by_w = filter_gradient(self.level, input, grad, result.channels);
        let adjoint = PackedFilters::adjoint(w, result.channels, images.channels);
        let by_activated =
            conv3x3::conv3x3(self.level, Input::plain(grad, result), &adjoint, Finish::bias(&[]));
        let [by_x, mut by_vectors, by_shift] =
            norm::norm_silu_gradient(self.level, x, images, affine, &moments, &by_activated);
        by_vectors.extend(by_shift);
        by_vectors.extend(bias_gradient(self.level, grad, result));
        [by_x, by_vectors, by_w]
    }
}

impl CustomOp3 for NormedConv3x3 {
    fn name(&self) -> &'static str {
        "normed_conv3x3"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        vectors: &CpuStorage,
        lv: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (images, x) = (images(lx)?, floats(x, lx)?);
        let vectors = Vectors::split(floats(vectors, lv)?, images);
        let outputs = vectors.bias.len();
        let filters = PackedFilters::new(floats(w, lw)?, outputs, images.channels);
        let curves = norm::curves(&self.moments(x, images), images, vectors.affine);
        let input = Input { parts: Parts::whole(x, images), curves: &curves };
        let y = conv3x3::conv3x3(self.level, input, &filters, Finish::bias(vectors.bias));
        Ok((CpuStorage::F32(y), shape(images.with_channels(outputs))))
    }

    fn bwd(&self, x: &Tensor, vectors: &Tensor, w: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Gradients> {
        let (images, result) = (images(x.layout())?, images(grad.layout())?);
        let [by_x, by_vectors, by_w] = with_floats(x, |x| {
            with_floats(vectors, |vectors| {
                with_floats(w, |w| {
                    with_floats(grad, |grad| self.gradients((x, images), vectors, w, (grad, result)))
                })
            })
        })????;
        Ok((
            Some(tensor(by_x, images, x)?),
            Some(Tensor::from_vec(by_vectors, vectors.shape(), x.device())?),
            Some(Tensor::from_vec(by_w, w.shape(), x.device())?),
        ))
    }
}

pub(in crate::kernels) fn norm_silu_conv3x3(
    level: Level,
    x: &Tensor,
    norm: &Norm<'_>,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    let images = images(x.layout())?;
    norm.check(images)?;
    outputs(weight.layout(), bias.layout(), images.channels, 3)?;
    let vectors = Tensor::cat(&[&norm.scale.flatten_all()?, &norm.shift.flatten_all()?, bias], 0)?;
    let op = NormedConv3x3 { level, groups: norm.groups, eps: norm.eps };
    x.contiguous()?.apply_op3(&vectors, &weight.contiguous()?, op)
}
