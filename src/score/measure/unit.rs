//! How physical values become the model's.

use anyhow::{Result, bail};
use recon_operators::{Field, LinearOperator, Picture, Problem, Rank, Transform, quantile};

/// Which physical value is 1 for the model: `x_model = x / unit`, and by linearity `y_model = y / unit`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UnitRule {
    /// A constant of the model, such as 0.0384/mm (twice the attenuation of water) for CT.
    Fixed(f32),
    /// `factor` × the `percentile` (0 to 100) of the positive pixels of `T⁻¹ Λ y`, for each slice: for MR,
    /// whose intensities have no unit.
    Percentile {
        /// From 0 to 100; linear between neighbouring values.
        percentile: f64,
        /// What the percentile is multiplied with.
        factor: f32,
    },
}

impl UnitRule {
    /// The unit for one slice. A slice without a positive pixel has unit 1.
    ///
    /// # Errors
    /// When the unit is not a positive number, or the percentile is outside 0 to 100.
    pub fn unit<T: Transform<Image: Picture>>(&self, problem: &Problem<T>) -> Result<f32> {
        match self {
            Self::Fixed(_) => self.of(&T::Image::zeros(&problem.image_shape())),
            Self::Percentile { .. } => self.of(&problem.transform.inverse(&problem.measured)),
        }
    }

    /// The unit for a slice where this image stands for `T⁻¹ Λ y`.
    ///
    /// # Errors
    /// As [`UnitRule::unit`].
    pub fn of<P: Picture>(&self, image: &P) -> Result<f32> {
        let unit = match *self {
            Self::Fixed(unit) => unit,
            Self::Percentile { percentile, .. } if !(0.0..=100.0).contains(&percentile) => {
                bail!("a percentile is between 0 and 100, not {percentile}")
            }
            Self::Percentile { percentile, factor } => {
                positive_percentile(image, percentile).map_or(1.0, |value| value * factor)
            }
        };
        if !(unit.is_finite() && unit > 0.0) {
            bail!("the unit of an image must be a positive number, not {unit}");
        }
        Ok(unit)
    }
}

fn positive_percentile<P: Picture>(image: &P, percentile: f64) -> Option<f32> {
    let mut values = image.intensities();
    values.retain(|value| *value > 0.0);
    quantile(&mut values, percentile / 100.0, Rank::Linear)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn percentiles_are_linear_between_positive_values() {
        let image = array![[4.0, -9.0, 1.0], [3.0, 0.0, 2.0]];
        assert_eq!(positive_percentile(&image, 0.0), Some(1.0));
        assert_eq!(positive_percentile(&image, 50.0), Some(2.5));
        assert_eq!(positive_percentile(&image, 100.0), Some(4.0));
        assert_eq!(positive_percentile(&image.mapv(|_: f32| -1.0), 50.0), None);
    }
}
