//! Two models of the score: one for strong noise on a coarse grid, one for weak noise on the pixels.

use crate::score::ScoreModel;
use candle_core::{DType, Device, Result, Tensor};

/// Subspace diffusion (Jing, Corso, Berlinghieri and Jaakkola 2022): under strong noise only the means of squares of
/// pixels are denoised, by a model that knows whole images on a coarse grid.
///
/// Let `P` take the means of squares of `k` by `k` pixels. `P(x₀ + σz) = P x₀ + (σ/k) z'` with `z'` standard normal,
/// so that a model of coarse images at noise level `σ/k` knows `E[P x₀ | P x]`. With `U` a smooth enlargement for which
/// `P U = I`, the denoised image is `U E[P x₀ | P x]`: what squares hold beside their mean is taken as lost in the
/// noise. `k` is the least with which the longer side fits into `side` squares, and with `k = 1` only `fine` is asked.
pub struct Subspace<C, F> {
    /// Knows images whose longer side has `side` pixels.
    pub coarse: C,
    /// Knows images of any size, at weak noise.
    pub fine: F,
    /// Pixels of the longer side of coarse images.
    pub side: usize,
    /// The noise level on the coarse grid, `σ/k`, from which on `coarse` is asked.
    pub handover: f64,
}

impl<C: ScoreModel, F: ScoreModel> ScoreModel for Subspace<C, F> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        (self.denoise(x, std)? - x)?.affine(1.0 / (std * std), 0.0)
    }

    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        let (_, _, rows, cols) = x.dims4()?;
        let square = square_of((rows, cols), self.side);
        let level = std / square as f64;
        if square == 1 || level < self.handover {
            return self.fine.denoise(x, std);
        }
        let means = means(&whole_squares(x, square)?, square)?;
        let enlarged = enlarge(&self.coarse.denoise(&means, level)?, square)?;
        enlarged.narrow(2, 0, rows)?.narrow(3, 0, cols)?.contiguous()
    }
}

/// Pixels a side of the least squares of which `side` cover the longer side of an image.
pub fn square_of((rows, cols): (usize, usize), side: usize) -> usize {
    rows.max(cols).div_ceil(side.max(1)).max(1)
}

/// The image with its last row and column repeated until squares cover it.
fn whole_squares(x: &Tensor, square: usize) -> Result<Tensor> {
    let missing = |n: usize| n.next_multiple_of(square) - n;
    let (_, _, rows, cols) = x.dims4()?;
    x.pad_with_same(2, 0, missing(rows))?.pad_with_same(3, 0, missing(cols))
}

/// `P`: the means of squares.
fn means(x: &Tensor, square: usize) -> Result<Tensor> {
    x.contiguous()?.avg_pool2d(square)
}

/// `U`: linear between the middles of the squares, and what their means lack of `x` added to each.
fn enlarge(x: &Tensor, square: usize) -> Result<Tensor> {
    let (_, _, rows, cols) = x.dims4()?;
    let along = |n| weights(n, square, x.dtype(), x.device());
    let linear = along(rows)?.broadcast_matmul(&x.contiguous()?)?.broadcast_matmul(&along(cols)?.t()?)?;
    let missing = (x - means(&linear, square)?)?;
    linear + missing.upsample_nearest2d(rows * square, cols * square)?
}

/// `[n·square, n]`: the shares of neighbouring middles in every pixel; beyond the outermost middles theirs alone.
fn weights(n: usize, square: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let mut shares = vec![0.0f64; n * square * n];
    for (i, row) in shares.chunks_exact_mut(n).enumerate() {
        let at = ((i as f64 + 0.5) / square as f64 - 0.5).clamp(0.0, (n - 1) as f64);
        let below = at.floor() as usize;
        row[below] += 1.0 - (at - below as f64);
        row[(below + 1).min(n - 1)] += at - below as f64;
    }
    Tensor::from_vec(shares, (n * square, n), device)?.to_dtype(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Gaussian;

    /// Says which level it was asked at, by its answer.
    struct Level;

    impl ScoreModel for Level {
        fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
            x.ones_like()?.affine(std, 0.0)
        }
        fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
            self.score(x, std)
        }
    }

    fn ramp(rows: usize, cols: usize) -> Tensor {
        Tensor::arange(0f32, (rows * cols) as f32, &Device::Cpu).unwrap().reshape((1, 1, rows, cols)).unwrap()
    }

    fn worst(a: &Tensor, b: &Tensor) -> f32 {
        let difference = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        difference.max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn enlarged_images_keep_their_means_and_ramps_stay_ramps() {
        for square in [2, 3, 4] {
            let x = ramp(5, 7).sin().unwrap();
            assert!(worst(&means(&enlarge(&x, square).unwrap(), square).unwrap(), &x) < 1e-6);
        }
        let rows = Tensor::arange(0f32, 6.0, &Device::Cpu).unwrap().reshape((1, 1, 6, 1)).unwrap();
        let large = enlarge(&rows, 4).unwrap();
        let column: Vec<f32> = large.narrow(3, 0, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        // Away from the ends, where the last middle is repeated.
        for (i, value) in column.iter().enumerate().skip(4).take(16) {
            assert!((value - ((i as f32 + 0.5) / 4.0 - 0.5)).abs() < 1e-5, "{i}: {value}");
        }
    }

    #[test]
    fn the_level_and_the_size_decide_who_is_asked() {
        let zero = Tensor::zeros((1, 1, 1, 1), DType::F32, &Device::Cpu).unwrap();
        let model =
            Subspace { coarse: Level, fine: Gaussian { mean: zero, variance: 1.0 }, side: 4, handover: 0.5 };
        // 10 pixels in 4 squares: squares of 3, and the coarse level is a third.
        let x = ramp(10, 7);
        let strong = model.denoise(&x, 1.5).unwrap();
        assert_eq!(strong.dims(), x.dims());
        assert!(worst(&strong, &x.ones_like().unwrap().affine(0.5, 0.0).unwrap()) < 1e-6);
        // (x + σ² score)/1 of a standard Gaussian: x/(1 + σ²).
        assert!(worst(&model.denoise(&x, 1.4).unwrap(), &(&x / 2.96).unwrap()) < 1e-4);
        let small = ramp(4, 4);
        assert!(worst(&model.denoise(&small, 9.0).unwrap(), &(&small / 82.0).unwrap()) < 1e-5);
    }

    /// Images that are constant on squares lose nothing by the coarse grid: then the means of the squares are exact.
    #[test]
    fn means_of_images_of_squares_are_exact() {
        let mean = Tensor::full(0.25f32, (1, 1, 1, 1), &Device::Cpu).unwrap();
        let coarse = Gaussian { mean: mean.clone(), variance: 0.09 };
        let model = Subspace { coarse: &coarse, fine: &coarse, side: 4, handover: 0.1 };
        let x = ramp(8, 8).cos().unwrap();
        // Of x₀ = R c with R the replication of squares of 2: E[c | x] is that of P x at half the noise.
        let (sigma, variance) = (0.6, 0.09);
        let gain = variance / (variance + sigma * sigma / 4.0);
        let expected = means(&x, 2).unwrap().affine(gain, 0.25 * (1.0 - gain)).unwrap();
        let found = means(&model.denoise(&x, sigma).unwrap(), 2).unwrap();
        assert!(worst(&found, &expected) < 1e-6);
        let score = model.score(&x, sigma).unwrap().affine(sigma * sigma, 0.0).unwrap();
        assert!(worst(&(score + &x).unwrap(), &model.denoise(&x, sigma).unwrap()) < 1e-6);
    }
}
