//! Halving and doubling of variables.

use super::{floats, images, shape, tensor, with_floats};
use crate::kernels::images::Images;
use crate::kernels::plane::resample;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

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
        let (small, large, whole) = (images(deep.layout())?, images(skip.layout())?, images(grad.layout())?);
        let by_deep = with_floats(grad, |g| resample::pool_first(g, whole, small, 4.0))?;
        let by_skip = grad.narrow(1, small.channels, large.channels)?.contiguous()?;
        Ok((Some(tensor(by_deep, small, deep)?), Some(by_skip)))
    }
}

pub(in crate::kernels) fn average_pool(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(AveragePool)
}

pub(in crate::kernels) fn upsample_concat(deep: &Tensor, skip: &Tensor) -> Result<Tensor> {
    deep.contiguous()?.apply_op2(&skip.contiguous()?, UpsampleConcat)
}
