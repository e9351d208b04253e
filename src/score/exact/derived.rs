//! Slopes and densities of the mixtures.

use super::{Gaussian, GaussianMixture, NormalMixture};
use crate::score::ScoreModel;
use crate::score::flow::Density;
use crate::score::model::{Differentiable, Linearised};
use crate::score::process::Noise;
use candle_core::{Result, Tensor};

impl Differentiable for Gaussian {
    /// The Jacobian is `−I/(variance + std²)`.
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        let factor = -1.0 / (self.variance + std * std);
        Ok(Linearised::new(self.score(x, std)?, move |v| v * factor))
    }
}

impl Differentiable for GaussianMixture {
    /// With responsibilities `rₖ` and component scores `sₖ` the Jacobian is
    /// `Σ rₖ (sₖ sₖᵀ − I/(vₖ + std²)) − s sᵀ`.
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        let score = self.score(x, std)?;
        let own =
            self.components.iter().map(|component| component.score(x, std)).collect::<Result<Vec<_>>>()?;
        let precisions = self.components.iter().map(|component| 1.0 / (component.variance + std * std));
        let parts: Vec<_> = self.shares(x, std)?.into_iter().zip(own).zip(precisions).collect();
        let mean = score.clone();
        let slope = move |v: &Tensor| {
            let mut slope = along(&mean, v)?.neg()?;
            for ((share, own), precision) in &parts {
                let curved = (along(own, v)? - (v * *precision)?)?;
                slope = (slope + curved.broadcast_mul(share)?)?;
            }
            Ok(slope)
        };
        Ok(Linearised::new(score, slope))
    }
}

/// `a (a·v)` for every image.
fn along(a: &Tensor, v: &Tensor) -> Result<Tensor> {
    let product = (a * v)?.flatten_from(1)?.sum(1)?;
    a.broadcast_mul(&product.reshape((a.dim(0)?, 1, 1, 1))?)
}

impl Density for GaussianMixture {
    fn log_density(&self, x: &Tensor, _noise: &mut Noise) -> anyhow::Result<Vec<f64>> {
        Ok(self.log_density(x, 0.0)?)
    }
    fn slope(&self, x: &Tensor, _noise: &mut Noise) -> anyhow::Result<Tensor> {
        Ok(self.score(x, 0.0)?)
    }
}

impl Density for NormalMixture {
    fn log_density(&self, x: &Tensor, _noise: &mut Noise) -> anyhow::Result<Vec<f64>> {
        Ok(self.log_density(x, 0.0)?)
    }
    fn slope(&self, x: &Tensor, _noise: &mut Noise) -> anyhow::Result<Tensor> {
        Ok(self.score(x, 0.0)?)
    }
}
