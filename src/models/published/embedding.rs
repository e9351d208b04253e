//! The noise level as a vector, as published.

use super::layers::{Nonlinearity, linear};
use super::scope::Scope;
use candle_core::{DType, Result, Tensor};
use candle_nn::{Linear, Module};

/// `[sin, cos]` of the label at `width/2` frequencies `10⁴^(−i/(width/2 − 1))`; a zero behind it when
/// `width` is odd. `labels` is `[batch]`, the result `[batch, width]`.
///
/// Source: Vaswani et al., "Attention Is All You Need", 2017, in the form of Ho et al. 2020. Angles are formed
/// in single precision, as upstream does.
pub(super) fn positional(labels: &Tensor, width: usize) -> Result<Tensor> {
    let half = width / 2;
    let rate = -(1e4f64.ln()) / (half - 1) as f64;
    let frequencies: Vec<f32> = (0..half).map(|i| (i as f32 * rate as f32).exp()).collect();
    let row = Tensor::from_vec(frequencies, (1, half), labels.device())?;
    let angles = labels.unsqueeze(1)?.broadcast_mul(&row)?;
    let wave = Tensor::cat(&[angles.sin()?, angles.cos()?], 1)?;
    if width.is_multiple_of(2) { Ok(wave) } else { wave.pad_with_zeros(1, 0, 1) }
}

/// `[sin, cos](2π ln(σ) W)`: random Fourier features (Tancik et al. 2020) of the logarithm of the noise level.
///
/// `sigmas` is `[batch]`, `frequencies` is `[n]`, the result `[batch, 2n]`.
pub(super) fn fourier(sigmas: &Tensor, frequencies: &Tensor) -> Result<Tensor> {
    let angles = sigmas.log()?.unsqueeze(1)?.broadcast_mul(&frequencies.unsqueeze(0)?)?;
    // Two factors, not their product: upstream rounds after each.
    let angles = angles.affine(2.0, 0.0)?.affine(std::f64::consts::PI, 0.0)?;
    Tensor::cat(&[angles.sin()?, angles.cos()?], 1)
}

/// The two linear layers behind the features.
pub(super) struct Conditioner {
    first: Linear,
    second: Linear,
    act: Nonlinearity,
}

impl Conditioner {
    /// From `features` numbers to `width`, as modules `first` and `second`.
    pub(super) fn new(
        [first, second]: [Scope<'_>; 2],
        features: usize,
        width: usize,
        act: Nonlinearity,
    ) -> Result<Self> {
        Ok(Self { first: linear(&first, features, width)?, second: linear(&second, width, width)?, act })
    }

    /// The embedding, already behind the nonlinearity that every block puts in front of its own layer.
    pub(super) fn forward(&self, features: &Tensor) -> Result<Tensor> {
        let hidden = self.act.apply(&self.first.forward(features)?)?;
        self.act.apply(&self.second.forward(&hidden)?)
    }
}

/// Noise levels of a list, `sigmas[label]`, one an image as `[batch, 1, 1, 1]`.
pub(super) fn chosen(sigmas: &Tensor, labels: &Tensor) -> Result<Tensor> {
    // Conversion to integers cuts off, as upstream's does.
    let index = labels.to_dtype(DType::U32)?;
    let last = sigmas.dim(0)? - 1;
    if let Some(worst) = index.to_vec1::<u32>()?.into_iter().find(|i| *i as usize > last) {
        candle_core::bail!("label {worst} is beyond the last noise level, {last}")
    }
    sigmas.index_select(&index, 0)?.reshape(((), 1, 1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn embeddings_are_the_published_ones() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/networks/embeddings.safetensors");
        let record = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let largest = |a: &Tensor, b: &Tensor| {
            (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap()
        };
        for width in [16, 64] {
            let error = largest(&positional(&record["t"], width).unwrap(), &record[&format!("pos_{width}")]);
            assert!(error < 1e-4, "positional: {error:e}");
            let found = fourier(&record["sigma"], &record[&format!("W_{width}")]).unwrap();
            let error = largest(&found, &record[&format!("fourier_{width}")]);
            assert!(error < 2e-4, "Fourier: {error:e}");
        }
    }

    #[test]
    fn odd_widths_end_with_a_zero() {
        let wave = positional(&Tensor::new(&[3f32], &Device::Cpu).unwrap(), 5).unwrap();
        assert_eq!(wave.to_vec2::<f32>().unwrap()[0][4], 0.0);
    }
}
