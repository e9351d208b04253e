//! Whether the spread of posterior samples tells how far off their mean is.

use crate::Spread;
use anyhow::{Result, ensure};
use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The probability of the intervals that [`Calibration::coverage`] counts.
pub const INTERVAL: f64 = 0.9;

/// The standard deviation s of K samples against the error of their mean x̂.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// `Δcal = (1 + 1/K) Σ s² / Σ (x − x̂)²`: 1 where the truth is distributed as the samples are, less where they are too
    /// sure. The mean of K has a share 1/K of their variance itself.
    pub ratio: f64,
    /// Share of voxels whose truth lies within `x̂ ± t s √(1 + 1/K)`, t being the 95 % quantile of Student's distribution
    /// with K − 1 degrees of freedom: 0.9 for a Gaussian posterior.
    pub coverage: f64,
}

/// Compares means and standard deviations of samples with the truth, slice after slice.
pub struct CalibrationSums {
    wider: f64,
    quantile: f64,
    variance: f64,
    error: f64,
    covered: usize,
    voxels: usize,
}

impl CalibrationSums {
    /// Of nothing yet, for so many `samples`.
    ///
    /// # Errors
    /// When there are fewer than two.
    pub fn new(samples: usize) -> Result<Self> {
        ensure!(samples > 1, "the spread of a single sample is not known");
        let quantile = StudentsT::new(0.0, 1.0, (samples - 1) as f64)?.inverse_cdf(0.5 + 0.5 * INTERVAL);
        let wider = 1.0 + 1.0 / samples as f64;
        Ok(Self { wider, quantile, variance: 0.0, error: 0.0, covered: 0, voxels: 0 })
    }

    /// Of nothing yet, for this kind of spread: of the posterior itself it is that of endlessly many samples. None where
    /// nothing is known.
    ///
    /// # Errors
    /// When the quantile of the normal distribution cannot be found.
    pub fn of(spread: Spread) -> Result<Option<Self>> {
        match spread {
            Spread::Unknown => Ok(None),
            Spread::Samples(samples) => Self::new(samples).map(Some),
            Spread::Posterior => {
                let quantile = Normal::new(0.0, 1.0)?.inverse_cdf(0.5 + 0.5 * INTERVAL);
                Ok(Some(Self { wider: 1.0, quantile, variance: 0.0, error: 0.0, covered: 0, voxels: 0 }))
            }
        }
    }

    /// Adds a slice, in any unit but all three in the same.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn add(&mut self, truth: &Array2<f32>, mean: &Array2<f32>, std: &Array2<f32>) -> Result<()> {
        ensure!(truth.dim() == mean.dim() && mean.dim() == std.dim(), "images of different shapes");
        let Self { wider, quantile, .. } = *self;
        Zip::from(truth).and(mean).and(std).for_each(|&truth, &mean, &std| {
            let (squared, spread) = (f64::from(truth - mean).powi(2), wider * f64::from(std).powi(2));
            self.variance += spread;
            self.error += squared;
            self.covered += usize::from(squared <= quantile * quantile * spread);
        });
        self.voxels += truth.len();
        Ok(())
    }

    /// What comes of all slices; none when nothing deviates from the truth.
    pub fn finish(&self) -> Option<Calibration> {
        let (ratio, coverage) = (self.variance / self.error, self.covered as f64 / self.voxels as f64);
        (self.error > 0.0).then_some(Calibration { ratio, coverage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, Axis};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use recon_operators::Field;

    /// Truth, and the mean and standard deviation of four samples that are `width` times as wide as its distribution.
    fn drawn(width: f32) -> (Array2<f32>, Array2<f32>, Array2<f32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let truth = Array2::randn(&[200, 200], &mut rng);
        let samples = Array3::randn(&[4, 200, 200], &mut rng) * width;
        let mean = samples.mean_axis(Axis(0)).expect("samples");
        (truth, mean, samples.std_axis(Axis(0), 1.0))
    }

    fn calibration(
        truth: &Array2<f32>,
        (mean, std): (&Array2<f32>, &Array2<f32>),
        samples: usize,
    ) -> Option<Calibration> {
        let mut sums = CalibrationSums::new(samples).ok()?;
        sums.add(truth, mean, std).ok()?;
        sums.finish()
    }

    #[test]
    fn samples_of_the_posterior_are_calibrated() {
        let (truth, mean, std) = drawn(1.0);
        let Calibration { ratio, coverage } = calibration(&truth, (&mean, &std), 4).expect("calibrated");
        // 40 000 voxels: standard errors of about 0.01 and 0.0015.
        assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
        assert!((coverage - 0.9).abs() < 0.005, "{coverage}");
    }

    #[test]
    fn a_posterior_in_closed_form_is_calibrated() {
        let (truth, _, _) = drawn(1.0);
        let (mean, std) = (Array2::zeros(truth.dim()), Array2::ones(truth.dim()));
        let found = |spread| {
            let mut sums = CalibrationSums::of(spread).expect("a normal distribution")?;
            sums.add(&truth, &mean, &std).expect("one shape");
            sums.finish()
        };
        let Calibration { ratio, coverage } = found(Spread::Posterior).expect("calibrated");
        assert!((ratio - 1.0).abs() < 0.03 && (coverage - 0.9).abs() < 0.006, "{ratio} {coverage}");
        assert_eq!(found(Spread::Unknown), None);
        assert_eq!(found(Spread::of_samples(4)), calibration(&truth, (&mean, &std), 4));
    }

    #[test]
    fn narrow_samples_are_found_out() {
        let (truth, mean, std) = drawn(0.5);
        let found = calibration(&truth, (&mean, &std), 4).expect("calibrated");
        // (1 + 1/4) 0.25 / (1 + 0.25/4)
        assert!((found.ratio - 0.294).abs() < 0.01 && found.coverage < 0.8, "{found:?}");
        assert!(calibration(&truth, (&mean, &std), 1).is_none());
        assert!(calibration(&truth, (&truth, &std), 4).is_none());
    }
}
