//! The noise of counted photons.

use crate::DataNoise;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

/// Line integrals as a detector sees them that counts `photons` a ray in air:
/// `p' = −ln(max(N, 1)/I₀)` with `N ~ Poisson(I₀ e^{−p})`.
///
/// Monochromatic rays, no scatter and no electronic noise; a ray from which nothing arrives is taken for one
/// photon, so that its logarithm exists (Hsieh, Computed Tomography, 2nd ed., 2009, §5). Numbers are drawn from
/// `rng` in row-major order.
pub fn count_photons(line_integrals: &Array2<f32>, photons: f64, rng: &mut ChaCha8Rng) -> Array2<f32> {
    line_integrals.mapv(|integral| {
        let expected = photons * (-f64::from(integral)).exp();
        // Not a Poisson distribution: nothing arrives at all.
        let counted = Poisson::new(expected).map_or(0.0, |counts| counts.sample(rng));
        (photons.ln() - counted.max(1.0).ln()) as f32
    })
}

/// The noise of [counted](count_photons) line integrals: `n² = 1/N` with the counts `N = I₀ e^{−p'}` themselves in the place
/// of their expectation (Sauer and Bouman, IEEE Trans. Signal Process. 41, 1993).
pub fn photon_noise(counted: &Array2<f32>, photons: f64) -> DataNoise {
    let std = |integral: &f32| (photons * (-f64::from(*integral)).exp()).max(1.0).sqrt().recip() as f32;
    DataNoise::Independent(counted.iter().map(std).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn counted(integral: f32, photons: f64) -> Vec<f64> {
        let rays = Array2::from_elem((200, 200), integral);
        count_photons(&rays, photons, &mut ChaCha8Rng::seed_from_u64(0))
            .iter()
            .map(|&p| f64::from(p))
            .collect()
    }

    #[test]
    fn the_noise_has_the_mean_and_the_spread_of_counts() {
        // σ² ≈ 1/N for many photons; N = 10⁵ e⁻².
        let noisy = counted(2.0, 1e5);
        let mean = noisy.iter().sum::<f64>() / 4e4;
        let variance = noisy.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / 4e4;
        assert!((mean - 2.0).abs() < 1e-3, "{mean}");
        assert!((variance * 1e5 * (-2.0_f64).exp() - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn the_stated_noise_is_that_of_counts() {
        let rays = Array2::from_shape_fn((100, 100), |(i, _)| 0.02 * i as f32);
        let noisy = count_photons(&rays, 1e4, &mut ChaCha8Rng::seed_from_u64(1));
        let DataNoise::Independent(stds) = photon_noise(&noisy, 1e4) else { panic!("one a ray") };
        let errors = noisy.iter().zip(&rays).map(|(noisy, clean)| noisy - clean);
        let chi_squared: f64 = errors.zip(stds.iter()).map(|(e, n)| f64::from(e / n).powi(2)).sum();
        // The standard error of the mean of 10 000 squares is 0.014.
        assert!((chi_squared / 1e4 - 1.0).abs() < 0.045, "{chi_squared}");
    }

    #[test]
    fn a_dark_ray_stays_finite() {
        for integral in [20.0, 1000.0] {
            assert!(counted(integral, 1e4).iter().all(|&p| (p - 1e4_f64.ln()).abs() < 1e-5));
        }
    }
}
