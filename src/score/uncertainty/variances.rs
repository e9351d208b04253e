//! Variances of pixels, from estimates.

use candle_core::{Result, Tensor};

/// Variances of pixels. Estimates of small ones may be negative.
#[derive(Clone, Debug)]
pub struct Variances {
    /// Of every pixel, in squared units of the image.
    pub variance: Tensor,
    /// Their standard errors from the spread of independent estimates, if there were at least two.
    pub standard_error: Option<Tensor>,
}

impl Variances {
    /// From independent estimates, at least one.
    ///
    /// # Errors
    /// When there is none, or memory runs out.
    pub(in crate::score) fn new(rounds: &[Tensor]) -> Result<Self> {
        let count = rounds.len() as f64;
        let variance = (Tensor::stack(rounds, 0)?.sum(0)? / count)?;
        if rounds.len() < 2 {
            return Ok(Self { variance, standard_error: None });
        }
        let mut squares = variance.zeros_like()?;
        for round in rounds {
            squares = (squares + (round - &variance)?.sqr()?)?;
        }
        let standard_error = (squares / ((count - 1.0) * count))?.sqrt()?;
        Ok(Self { variance, standard_error: Some(standard_error) })
    }

    /// Standard deviations of pixels; 0 where the estimated variance is negative.
    ///
    /// # Errors
    /// When memory runs out.
    pub fn deviation(&self) -> Result<Tensor> {
        self.variance.relu()?.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn mean_and_error_of_known_estimates() {
        let round = |v: f64| Tensor::new(&[[[[v, 1.0]]]], &Device::Cpu).unwrap();
        let found = Variances::new(&[round(1.0), round(3.0)]).unwrap();
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(flat(&found.variance), [2.0, 1.0]);
        assert_eq!(flat(&found.standard_error.unwrap()), [1.0, 0.0]);
        assert!(Variances::new(&[round(1.0)]).unwrap().standard_error.is_none());
        assert_eq!(flat(&Variances::new(&[round(-4.0)]).unwrap().deviation().unwrap()), [0.0, 1.0]);
    }
}
