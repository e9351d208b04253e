//! Resizing with linear weights, corners on corners.

use candle_core::{Device, Result, Tensor, bail};

/// Bilinear interpolation to `(rows, cols)`, the corner pixels of both sizes on top of each other.
///
/// # Errors
/// See the module; also when a size is 0.
pub fn resize_bilinear(x: &Tensor, (rows, cols): (usize, usize)) -> Result<Tensor> {
    let (batch, channels, from_rows, from_cols) = x.dims4()?;
    if (from_rows, from_cols) == (rows, cols) {
        return Ok(x.clone());
    }
    if from_rows * from_cols * rows * cols == 0 {
        bail!("{from_rows} x {from_cols} pixels cannot become {rows} x {cols}")
    }
    let across = weights(from_cols, cols, x.device())?.t()?.contiguous()?;
    let wide = x.contiguous()?.reshape((batch * channels * from_rows, from_cols))?.matmul(&across)?;
    let wide = wide.reshape((batch * channels, from_rows, cols))?;
    let down = weights(from_rows, rows, x.device())?.unsqueeze(0)?;
    down.broadcast_matmul(&wide)?.reshape((batch, channels, rows, cols))
}

/// The matrix `[to, from]` of linear weights.
fn weights(from: usize, to: usize, device: &Device) -> Result<Tensor> {
    let mut matrix = vec![0.0f32; from * to];
    // As upstream: the step is rounded to single precision first.
    let step = if to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { 0.0 };
    for (i, row) in matrix.chunks_exact_mut(from).enumerate() {
        let position = step * i as f32;
        let below = (position as usize).min(from - 1);
        let share = position - below as f32;
        row[below] += 1.0 - share;
        row[(below + 1).min(from - 1)] += share;
    }
    Tensor::from_vec(matrix, (to, from), device)
}
