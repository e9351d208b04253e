//! Normalisation and activation of variables.

use super::{Gradients, floats, images, shape, tensor, with_floats};
use crate::kernels::Norm;
use crate::kernels::images::Images;
use crate::kernels::norm::{self, Affine};
use crate::kernels::parts::Parts;
use crate::kernels::simd::lanes::Level;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// `(gain, offset)` of each plane: `scale · x̂ + shift = gain · x + offset`.
pub(super) fn curves(level: Level, norm: &Norm<'_>, x: Parts<'_>) -> Result<Vec<(f32, f32)>> {
    norm.check(x.images)?;
    with_floats(norm.scale, |scale| {
        with_floats(norm.shift, |shift| {
            let moments = norm::moments(level, x, norm.groups, norm.eps);
            norm::curves(&moments, x.images, Affine { scale, shift })
        })
    })?
}

impl Norm<'_> {
    /// Whether it fits the images.
    pub(super) fn check(&self, images: Images) -> Result<()> {
        check(self.groups, images, self.scale.shape(), self.shift.shape())
    }
}

/// Whether the groups divide the channels and there is a number for each plane.
fn check(groups: usize, images: Images, scale: &Shape, shift: &Shape) -> Result<()> {
    let wanted = [images.batch, images.channels];
    let whole = groups > 0 && images.channels.is_multiple_of(groups);
    if !whole || scale.dims() != wanted || shift.dims() != wanted {
        bail!("{groups} groups, scale {scale:?} and shift {shift:?} do not fit {wanted:?}");
    }
    Ok(())
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
        check(self.groups, images, ls.shape(), lt.shape())?;
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
        let [by_x, by_scale, by_shift] = with_floats(x, |x| {
            let moments = norm::moments(self.level, Parts::whole(x, images), self.groups, self.eps);
            with_floats(grad, |g| norm::norm_silu_gradient(self.level, x, images, affine, &moments, g))
        })??;
        Ok((
            Some(tensor(by_x, images, x)?),
            Some(Tensor::from_vec(by_scale, scale.shape(), x.device())?),
            Some(Tensor::from_vec(by_shift, shift.shape(), x.device())?),
        ))
    }
}

pub(in crate::kernels) fn norm_silu(
    level: Level,
    x: &Tensor,
    scale: &Tensor,
    shift: &Tensor,
    (groups, eps): (usize, f64),
) -> Result<Tensor> {
    x.contiguous()?.apply_op3(&scale.contiguous()?, &shift.contiguous()?, NormSilu { level, groups, eps })
}
