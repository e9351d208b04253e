//! The noise level as a vector.

use candle_core::{Result, Tensor};
use std::f32::consts::PI;

/// `[cos(f c), sin(f c)]` for `frequencies` frequencies `f = π 2^(−2 … 2)`, evenly spaced in the exponent.
///
/// `condition` is `[batch]`, the result `[batch, 2 · frequencies]`.
pub(super) fn fourier_features(condition: &Tensor, frequencies: usize) -> Result<Tensor> {
    let last = (frequencies - 1) as f32;
    let values: Vec<f32> = (0..frequencies).map(|i| PI * (-2.0 + 4.0 * i as f32 / last).exp2()).collect();
    let row = Tensor::from_vec(values, (1, frequencies), condition.device())?;
    let angles = condition.unsqueeze(1)?.broadcast_mul(&row)?;
    Tensor::cat(&[angles.cos()?, angles.sin()?], 1)
}
