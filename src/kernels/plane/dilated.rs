//! Images taken apart into phases, so that a dilated convolution becomes an ordinary one on each.
//!
//! Pixels `(d r + i, d c + j)` for fixed `i, j` are phase `(i, j)` with distance `d`. Phases are padded with
//! zeros to the same size, which is what lies beyond the edge for a convolution with zero padding.

use candle_core::{Result, Tensor, bail};

/// `[batch, channel, row, col]` to `[batch · d², channel, ⌈row/d⌉, ⌈col/d⌉]`.
///
/// # Errors
/// See the module; also when `d` is 0.
pub fn split_phases(x: &Tensor, d: usize) -> Result<Tensor> {
    let (batch, channels, rows, cols) = x.dims4()?;
    if d == 0 {
        bail!("pixels cannot lie 0 apart")
    }
    let (high, wide) = (rows.div_ceil(d), cols.div_ceil(d));
    let padded = x.pad_with_zeros(2, 0, high * d - rows)?.pad_with_zeros(3, 0, wide * d - cols)?;
    let apart = padded.contiguous()?.reshape(&[batch, channels, high, d, wide, d][..])?;
    let phases = apart.permute([0, 3, 5, 1, 2, 4])?.contiguous()?;
    phases.reshape((batch * d * d, channels, high, wide))
}

/// The reverse of [`split_phases`], cropped to `rows` and `cols`.
///
/// # Errors
/// See the module; also when the phases do not make up so many rows and columns.
pub fn join_phases(phases: &Tensor, d: usize, (rows, cols): (usize, usize)) -> Result<Tensor> {
    let (count, channels, high, wide) = phases.dims4()?;
    if d == 0 || !count.is_multiple_of(d * d) || rows > high * d || cols > wide * d {
        bail!("{count} phases of {high} x {wide} pixels do not make up {rows} x {cols} pixels")
    }
    let apart = phases.reshape(&[count / (d * d), d, d, channels, high, wide][..])?;
    let joined = apart.permute([0, 3, 4, 1, 5, 2])?.contiguous()?;
    let joined = joined.reshape((count / (d * d), channels, high * d, wide * d))?;
    joined.narrow(2, 0, rows)?.narrow(3, 0, cols)?.contiguous()
}
