//! The noise of counted photons.

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
    fn a_dark_ray_stays_finite() {
        for integral in [20.0, 1000.0] {
            assert!(counted(integral, 1e4).iter().all(|&p| (p - 1e4_f64.ln()).abs() < 1e-5));
        }
    }
}
