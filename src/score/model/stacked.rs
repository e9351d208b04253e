//! Models of images with several channels, for operators on plain ones.

use super::{Differentiable, Linearised};
use crate::score::ScoreModel;
use candle_core::{Result, Tensor};

/// Shows a model of `[b, c, row, col]` images whose channels are stacked along rows, `[b, 1, c·row, col]`: the
/// form in which operators that mix channels take them.
pub struct Stacked<M> {
    /// The model.
    pub model: M,
    /// `c`
    pub channels: usize,
}

impl<M> Stacked<M> {
    fn apart(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, stacks, rows, cols) = x.dims4()?;
        x.reshape((batch, self.channels, stacks * rows / self.channels.max(1), cols))
    }
}

impl<M: ScoreModel> ScoreModel for Stacked<M> {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.model.score(&self.apart(x)?, std)?.reshape(x.shape())
    }
    fn denoise(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.model.denoise(&self.apart(x)?, std)?.reshape(x.shape())
    }
}

impl<M: Differentiable> Differentiable for Stacked<M> {
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        let apart = self.apart(x)?;
        let (stacked, shape) = (x.shape().clone(), apart.shape().clone());
        let at = self.model.linearise(&apart, std)?;
        let score = at.score.reshape(&stacked)?;
        Ok(Linearised::new(score, move |v| at.slope(&v.reshape(&shape)?)?.reshape(&stacked)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Gaussian;
    use candle_core::Device;

    /// A Gaussian whose channels have different means.
    fn model() -> (Gaussian, Tensor) {
        let mean = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap().reshape((1, 3, 2, 2)).unwrap();
        let x = Tensor::arange(5f32, 29.0, &Device::Cpu).unwrap().reshape((2, 3, 2, 2)).unwrap();
        (Gaussian { mean, variance: 0.5 }, x)
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn stacking_changes_the_shape_alone() {
        let (model, x) = model();
        let stacked = Stacked { model: &model, channels: 3 };
        let tall = x.reshape((2, 1, 6, 2)).unwrap();
        let score = stacked.score(&tall, 0.3).unwrap();
        assert_eq!(score.dims(), tall.dims());
        assert_eq!(numbers(&score), numbers(&model.score(&x, 0.3).unwrap()));
        assert_eq!(numbers(&stacked.denoise(&tall, 0.3).unwrap()), numbers(&model.denoise(&x, 0.3).unwrap()));
        let (own, slopes) = stacked.score_and_slopes(&tall, 0.3, std::slice::from_ref(&tall)).unwrap();
        assert_eq!(numbers(&own), numbers(&score));
        assert_eq!(slopes[0].dims(), tall.dims());
        assert_eq!(numbers(&slopes[0]), numbers(&model.linearise(&x, 0.3).unwrap().slope(&x).unwrap()));
    }

    #[test]
    fn rows_that_are_no_multiple_of_the_channels_are_refused() {
        let (model, x) = model();
        let stacked = Stacked { model, channels: 5 };
        assert!(stacked.score(&x.reshape((2, 1, 6, 2)).unwrap(), 0.3).is_err());
    }
}
