//! Whether the spread of posterior samples tells how far off their mean is.

use anyhow::{Result, ensure};
use ndarray::{Array3, Zip};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The probability of the intervals that [`Calibration::coverage`] counts.
pub const INTERVAL: f64 = 0.9;

/// The standard deviation s of K samples against the error of their mean x̂.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// `Δcal = (1 + 1/K) Σ s² / Σ (x − x̂)²`: 1 where the truth is distributed as the samples are, less where they are too
    /// sure. The mean of K has a share 1/K of their variance itself.
    pub ratio: f64,
    /// Share of voxels whose truth lies within `x̂ ± t s √(1 + 1/K)`, t being the 95 % quantile of Student's distribution
    /// with K − 1 degrees of freedom: 0.9 for a Gaussian posterior.
    pub coverage: f64,
}

/// Compares the mean and the standard deviation of so many `samples` with the `truth`, in any unit but all three in the
/// same; axes (slice, row, col).
///
/// # Errors
/// When there are fewer than two samples, or nothing deviates from the truth, or the shapes differ.
pub fn calibration(
    truth: &Array3<f32>,
    (mean, std): (&Array3<f32>, &Array3<f32>),
    samples: usize,
) -> Result<Calibration> {
    ensure!(samples > 1, "the spread of a single sample is not known");
    ensure!(truth.dim() == mean.dim() && mean.dim() == std.dim(), "images of different shapes");
    let wider = 1.0 + 1.0 / samples as f64;
    let quantile = StudentsT::new(0.0, 1.0, (samples - 1) as f64)?.inverse_cdf(0.5 + 0.5 * INTERVAL);
    let (mut variance, mut error, mut covered) = (0.0, 0.0, 0_usize);
    Zip::from(truth).and(mean).and(std).for_each(|&truth, &mean, &std| {
        let (squared, spread) = (f64::from(truth - mean).powi(2), wider * f64::from(std).powi(2));
        variance += spread;
        error += squared;
        covered += usize::from(squared <= quantile * quantile * spread);
    });
    ensure!(error > 0.0, "the mean is the truth itself");
    Ok(Calibration { ratio: variance / error, coverage: covered as f64 / truth.len() as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Axis;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use recon_operators::Field;

    /// Truth, and the mean and standard deviation of four samples that are `width` times as wide as its distribution.
    fn drawn(width: f32) -> (Array3<f32>, Array3<f32>, Array3<f32>) {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let truth = Array3::randn(&[1, 200, 200], &mut rng);
        let samples = Array3::randn(&[4, 200, 200], &mut rng) * width;
        let statistic = |values: ndarray::Array2<f32>| values.insert_axis(Axis(0));
        let mean = statistic(samples.mean_axis(Axis(0)).expect("samples"));
        (truth, mean, statistic(samples.std_axis(Axis(0), 1.0)))
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
    fn narrow_samples_are_found_out() {
        let (truth, mean, std) = drawn(0.5);
        let found = calibration(&truth, (&mean, &std), 4).expect("calibrated");
        // (1 + 1/4) 0.25 / (1 + 0.25/4)
        assert!((found.ratio - 0.294).abs() < 0.01 && found.coverage < 0.8, "{found:?}");
        assert!(calibration(&truth, (&mean, &std), 1).is_err());
        assert!(calibration(&truth, (&truth, &std), 4).is_err());
    }
}
