//! Symmetric matrices of low rank plus a diagonal, one for each image of a batch.

use super::{Covariance, Probing, Variances};
use crate::score::process::Noise;
use candle_core::{Result, Tensor};

/// `diag(a) + Σᵢ cᵢ bᵢ bᵢᵀ` over the `D` numbers of an image, without a `D × D` array ever being formed.
/// All of it is tensor operations, which can be differentiated.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// `a`, `[batch, D]`.
    pub diagonal: Tensor,
    /// `bᵢ`, `[batch, rank, D]`.
    pub factors: Tensor,
    /// `cᵢ`, usually ±1, one for each factor.
    pub signs: Vec<f64>,
}

impl LowRank {
    /// The squared Frobenius norm of every image's matrix, `[batch]`:
    /// `Σ a² + 2 Σᵢ cᵢ Σ a bᵢ² + Σᵢⱼ cᵢ cⱼ (bᵢ·bⱼ)²`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn squared_norm(&self) -> Result<Tensor> {
        let signs = self.signs_of_rows()?;
        let gram = self.factors.matmul(&self.factors.transpose(1, 2)?.contiguous()?)?;
        let signed = gram.sqr()?.broadcast_mul(&signs)?.broadcast_mul(&signs.transpose(1, 2)?)?;
        let mixed = self.factors.sqr()?.broadcast_mul(&signs)?.sum(1)?.mul(&self.diagonal)?;
        (self.diagonal.sqr()? + (mixed * 2.0)?)?.sum(1)? + signed.flatten_from(1)?.sum(1)?
    }

    /// The trace of every image's matrix, `[batch]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn trace(&self) -> Result<Tensor> {
        self.pixel_diagonal()?.sum(1)
    }

    /// `v·M v` for every image, `v` of shape `[batch, D]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn quadratic(&self, v: &Tensor) -> Result<Tensor> {
        (v * self.apply(v)?)?.sum(1)
    }

    /// `M v` for every image, `v` of shape `[batch, D]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn apply(&self, v: &Tensor) -> Result<Tensor> {
        let along = self.factors.broadcast_mul(&v.unsqueeze(1)?)?.sum_keepdim(2)?;
        let along = along.broadcast_mul(&self.signs_of_rows()?)?;
        let low_rank = self.factors.broadcast_mul(&along)?.sum(1)?;
        (&self.diagonal * v)? + low_rank
    }

    /// The diagonal of the whole matrix, `a + Σᵢ cᵢ bᵢ²`, `[batch, D]`.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn pixel_diagonal(&self) -> Result<Tensor> {
        &self.diagonal + self.factors.sqr()?.broadcast_mul(&self.signs_of_rows()?)?.sum(1)?
    }

    fn signs_of_rows(&self) -> Result<Tensor> {
        let signs = Tensor::from_slice(&self.signs, (1, self.signs.len(), 1), self.factors.device())?;
        signs.to_dtype(self.factors.dtype())
    }
}

/// A covariance of this form, times a variance, for images of a given shape.
#[derive(Clone, Debug)]
pub struct LowRankCovariance {
    /// The covariance divided by `variance`.
    pub matrix: LowRank,
    /// In squared units of the image.
    pub variance: f64,
    /// The images that it belongs to, `[batch, channel, row, col]`.
    pub images: Tensor,
}

impl Covariance for LowRankCovariance {
    fn products(&self, directions: &[Tensor]) -> Result<Vec<Tensor>> {
        let product = |v: &Tensor| {
            let flat = self.matrix.apply(&v.flatten_from(1)?)?;
            (flat * self.variance)?.reshape(v.shape())
        };
        directions.iter().map(product).collect()
    }

    fn images(&self) -> &Tensor {
        &self.images
    }

    /// Exact, and without a draw, whatever the probing: the diagonal is known.
    fn diagonal(&self, _probing: Probing, _noise: &mut Noise) -> Result<Variances> {
        let variance = (self.matrix.pixel_diagonal()? * self.variance)?.reshape(self.images.shape())?;
        Ok(Variances { variance, standard_error: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// Two images of three numbers with two factors, and the same as dense matrices.
    fn example() -> (LowRank, Vec<[[f64; 3]; 3]>) {
        let diagonal = [[1.0, -2.0, 0.5], [0.3, 0.1, 2.0]];
        let factors = [[[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], [[-1.0, 0.2, 0.4], [2.0, 1.0, 0.7]]];
        let signs = vec![1.0, -1.0];
        let dense = (0..2).map(|image| {
            let entry = |i: usize, j: usize| {
                let low: f64 = (0..2).map(|k| signs[k] * factors[image][k][i] * factors[image][k][j]).sum();
                low + if i == j { diagonal[image][i] } else { 0.0 }
            };
            [0, 1, 2].map(|i| [0, 1, 2].map(|j| entry(i, j)))
        });
        let dense = dense.collect();
        let matrix = LowRank {
            diagonal: Tensor::new(&diagonal, &Device::Cpu).unwrap(),
            factors: Tensor::new(&factors, &Device::Cpu).unwrap(),
            signs,
        };
        (matrix, dense)
    }

    fn assert_close(found: &Tensor, expected: &[f64]) {
        let found = found.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
    }

    #[test]
    fn norms_traces_and_products_are_those_of_the_dense_matrix() {
        let (matrix, dense) = example();
        let v = [[1.0, -1.0, 2.0], [0.5, 3.0, -2.0]];
        let norms: Vec<f64> = dense.iter().map(|m| m.iter().flatten().map(|e| e * e).sum()).collect();
        assert_close(&matrix.squared_norm().unwrap(), &norms);
        let traces: Vec<f64> = dense.iter().map(|m| (0..3).map(|i| m[i][i]).sum()).collect();
        assert_close(&matrix.trace().unwrap(), &traces);
        let products: Vec<f64> = (0..2)
            .flat_map(|k| dense[k].map(|row| row.iter().zip(v[k]).map(|(a, b)| a * b).sum::<f64>()))
            .collect();
        let v = Tensor::new(&v, &Device::Cpu).unwrap();
        assert_close(&matrix.apply(&v).unwrap(), &products);
        let flat = v.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let parts: Vec<f64> = flat.iter().zip(&products).map(|(a, b)| a * b).collect();
        assert_close(&matrix.quadratic(&v).unwrap(), &[parts[..3].iter().sum(), parts[3..].iter().sum()]);
    }
}
