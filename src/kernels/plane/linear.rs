//! Linear operations on planes, each of which has another one as its gradient.

use crate::kernels::images::Images;
use crate::kernels::ops::{floats, images, shape};
use crate::kernels::plane::fir::{self, Fir};
use crate::kernels::plane::{resample, strided};
use crate::kernels::simd::lanes::Level;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// A linear operation on every image of a batch.
#[derive(Clone, Debug)]
pub(in crate::kernels) enum Linear {
    /// A filter along the columns and one along the rows.
    Filter([Fir; 2]),
    /// Each pixel repeated 2x2.
    Repeat,
    /// The sum of each 2x2 block.
    Sum,
    /// Patches of 3x3 pixels around every second pixel become channels.
    Gather {
        /// Zeros behind the last row and column.
        behind: usize,
    },
    /// Channels go back to where [`Linear::Gather`] took them, and are added up there.
    Scatter {
        /// Rows and columns of the result.
        size: (usize, usize),
    },
}

/// The operation on a tensor `[batch, channel, row, col]`.
pub(in crate::kernels) fn apply(x: &Tensor, operation: Linear) -> Result<Tensor> {
    x.contiguous()?.apply_op1(operation)
}

impl Linear {
    /// The transposed operation, from images of the size of the result back to `from`.
    fn transposed(&self, from: Images, to: Images) -> Self {
        match self {
            Self::Filter([vertical, horizontal]) => Self::Filter([
                vertical.transposed(from.rows, to.rows),
                horizontal.transposed(from.cols, to.cols),
            ]),
            Self::Repeat => Self::Sum,
            Self::Sum => Self::Repeat,
            Self::Gather { .. } => Self::Scatter { size: (from.rows, from.cols) },
            Self::Scatter { .. } => Self::Gather { behind: strided::zeros_behind(from, to) },
        }
    }

    fn run(&self, x: &[f32], from: Images) -> Result<(Vec<f32>, Images)> {
        match self {
            Self::Filter([vertical, horizontal]) => {
                fir::upfirdn(Level::best(), x, from, [vertical, horizontal])
            }
            Self::Repeat => {
                let to = Images { rows: 2 * from.rows, cols: 2 * from.cols, ..from };
                Ok((resample::repeat(x, from, 1.0), to))
            }
            Self::Sum => {
                let to = Images { rows: from.rows / 2, cols: from.cols / 2, ..from };
                Ok((resample::pool(x, from, 4.0), to))
            }
            Self::Gather { behind } => strided::gather(x, from, *behind),
            Self::Scatter { size } => strided::scatter(x, from, *size),
        }
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        match self {
            Self::Filter(_) => "upfirdn",
            Self::Repeat => "upsample",
            Self::Sum => "sum_of_2x2",
            Self::Gather { .. } => "gather_3x3",
            Self::Scatter { .. } => "scatter_3x3",
        }
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (y, to) = self.run(floats(x, layout)?, images(layout)?)?;
        Ok((CpuStorage::F32(y), shape(to)))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let back = self.transposed(images(x.layout())?, images(grad.layout())?);
        apply(grad, back).map(Some)
    }
}
