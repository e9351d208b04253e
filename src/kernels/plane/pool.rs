//! Maximum and mean of 5x5 pixels around every pixel.

use crate::kernels::plane::fir::Fir;
use candle_core::{Result, Tensor};

/// Pixels on each side of the middle.
const REACH: usize = 2;

/// The mean of 5x5 pixels around every pixel; pixels outside count as 0.
///
/// # Errors
/// See the module.
pub fn mean_of_5x5(x: &Tensor) -> Result<Tensor> {
    crate::kernels::upfirdn(x, &Fir { taps: vec![0.2; 2 * REACH + 1], up: 1, down: 1, pad: (2, 2) })
}

/// The maximum of 5x5 pixels around every pixel; pixels outside do not count.
///
/// The gradient goes to the largest pixel, and in equal parts to two that are equal.
///
/// # Errors
/// See the module.
pub fn maximum_of_5x5(x: &Tensor) -> Result<Tensor> {
    along(&along(x, 2)?, 3)
}

/// The maximum of 5 neighbours along an axis: repeating the edge adds nothing that is not there.
fn along(x: &Tensor, axis: usize) -> Result<Tensor> {
    let length = x.dim(axis)?;
    let padded = x.pad_with_same(axis, REACH, REACH)?;
    let shifted = |by: usize| padded.narrow(axis, by, length);
    let mut largest = shifted(0)?;
    for by in 1..=2 * REACH {
        largest = largest.maximum(&shifted(by)?)?;
    }
    Ok(largest)
}
