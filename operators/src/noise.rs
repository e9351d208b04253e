//! What is known of the noise in data.

use crate::{Field, Mask};
use std::sync::Arc;

/// The noise in a measurement: independent, centred, of known standard deviation, in the unit of the data.
///
/// Complex data have it in their real and in their imaginary part each. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DataNoise {
    /// There is none, or nobody knows.
    #[default]
    None,
    /// The same standard deviation everywhere.
    White(f32),
    /// A standard deviation for every entry, in row-major order.
    Independent(Arc<[f32]>),
}

impl DataNoise {
    /// The same everywhere; none for 0.
    pub fn white(std: f32) -> Self {
        if std > 0.0 { Self::White(std) } else { Self::None }
    }

    /// The root mean square of the standard deviations of measured entries; 0 for none.
    pub fn root_mean_square(&self, mask: &Mask) -> f64 {
        match self {
            Self::None => 0.0,
            Self::White(std) => f64::from(*std),
            Self::Independent(stds) => {
                let measured = stds.iter().zip(mask.kept()).filter(|(_, kept)| **kept);
                let squares: f64 = measured.map(|(std, _)| f64::from(*std).powi(2)).sum();
                (squares / mask.count().max(1) as f64).sqrt()
            }
        }
    }

    /// `Σ |rᵢ|²/(c nᵢ²)` over the measured entries' number, for a `difference` r of data that is 0 elsewhere and c real numbers
    /// an entry: 1 on average for differences that are this noise. None where the noise is not known.
    pub fn chi_squared<F: Field>(&self, difference: &F, mask: &Mask) -> Option<f64> {
        let sum = match self.weights(1.0, f64::INFINITY) {
            Weights::Even(weight) if weight.is_finite() => f64::from(weight) * difference.norm().powi(2),
            Weights::Even(_) => return None,
            Weights::Each(weights) => {
                let mut weighted = difference.clone();
                weighted.weigh(&weights);
                difference.dot(&weighted).re
            }
        };
        Some(sum / (F::COMPONENTS * mask.count().max(1)) as f64)
    }

    /// The weights `min(limit, (level/n)²)` of squared misfits for noise of standard deviation n: an error of `level` in
    /// the image is believed that much less, or more, than one of n in an entry.
    pub fn weights(&self, level: f64, limit: f64) -> Weights {
        let weight = |std: f32| limit.min((level / f64::from(std)).powi(2)) as f32;
        match self {
            Self::None => Weights::Even(limit as f32),
            Self::White(std) => Weights::Even(weight(*std)),
            Self::Independent(stds) => Weights::Each(stds.iter().map(|&std| weight(std)).collect()),
        }
    }
}

/// Factors on squared misfits.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// One for all entries.
    Even(f32),
    /// One for every entry, in row-major order.
    Each(Vec<f32>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stds() -> DataNoise {
        DataNoise::Independent(vec![3.0, 100.0, 4.0].into())
    }

    #[test]
    fn unmeasured_entries_have_no_noise() {
        let mask = Mask::new(vec![true, false, true]);
        assert!((stds().root_mean_square(&mask) - 12.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(DataNoise::None.root_mean_square(&mask), 0.0);
        assert_eq!(DataNoise::white(0.5).root_mean_square(&mask), 0.5);
    }

    #[test]
    fn a_difference_is_measured_in_units_of_its_noise() {
        let mask = Mask::new(vec![true, false, true]);
        let real = ndarray::arr1(&[3.0_f32, 0.0, -8.0]);
        assert!(stds().chi_squared(&real, &mask).is_some_and(|found| (found - 2.5).abs() < 1e-6));
        let complex = real.mapv(|v| num_complex::Complex32::new(0.0, v));
        let white = DataNoise::White(2.0);
        assert!(white.chi_squared(&complex, &mask).is_some_and(|found| (found - 73.0 / 16.0).abs() < 1e-6));
        assert_eq!(DataNoise::None.chi_squared(&real, &mask), None);
    }

    #[test]
    fn the_noisier_the_lighter_up_to_a_limit() {
        assert_eq!(stds().weights(6.0, 3.0), Weights::Each(vec![3.0, 0.0036, 2.25]));
        assert_eq!(DataNoise::white(0.0).weights(6.0, 3.0), Weights::Even(3.0));
        assert_eq!(DataNoise::white(12.0).weights(6.0, 3.0), Weights::Even(0.25));
    }
}
