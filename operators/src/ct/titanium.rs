//! What a scanner measures through titanium.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

/// A coarse spectrum of 120 kV behind a filter, mean 64 keV, and the linear attenuation of titanium there: share of the
/// photons and μ in 1/mm, at 40, 50, 60, 80 and 100 keV. μ/ρ is from Hubbell and Seltzer, NISTIR 5632 (1995), at
/// ρ = 4.54 g/cm³; the shares are round numbers, not those of any scanner.
const SPECTRUM: [(f64, f64); 5] =
    [(0.15, 1.005), (0.24, 0.5507), (0.27, 0.3478), (0.22, 0.1840), (0.12, 0.1235)];
/// Photons a ray in air and scattered ones that reach every bin, as Yu et al. (IEEE Trans. Med. Imaging 40, 2021) simulate.
const PHOTONS: f64 = 2e7;
const SCATTERED: f64 = 20.0;

/// The line integral that is measured of a ray through `thickness` mm of titanium, when that of everything else on its
/// way is `integral`: `−ln(max(N, 1)/I₀)` with `N ~ Poisson(I₀ e^{−integral} Σ w(E) e^{−μ(E) thickness} + S)`.
///
/// Polychromatic in the metal alone: what the spectrum does in tissue counts as corrected. So thick metal looks
/// thinner than it is (beam hardening), and behind much of it scatter and noise are all that arrives (starvation).
pub fn measure_through_titanium(integral: f32, thickness: f32, rng: &mut ChaCha8Rng) -> f32 {
    let passed = SPECTRUM.iter().map(|(share, mu)| share * (-mu * f64::from(thickness)).exp()).sum::<f64>();
    let expected = PHOTONS * (-f64::from(integral)).exp() * passed + SCATTERED;
    // Not a Poisson distribution: the line integral is not finite.
    let counted = Poisson::new(expected).map_or(0.0, |counts| counts.sample(rng));
    (PHOTONS.ln() - counted.max(1.0).ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn mean(integral: f32, thickness: f32) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let rays = 4000;
        let sum: f64 =
            (0..rays).map(|_| f64::from(measure_through_titanium(integral, thickness, &mut rng))).sum();
        sum / f64::from(rays)
    }

    #[test]
    fn no_metal_leaves_the_ray_as_it_is() {
        assert!((SPECTRUM.iter().map(|(share, _)| share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((mean(3.0, 0.0) - 3.0).abs() < 1e-3, "{}", mean(3.0, 0.0));
    }

    #[test]
    fn thick_metal_looks_thinner_than_it_is() {
        // The slope at no thickness is the mean attenuation of the spectrum.
        let slope: f64 = SPECTRUM.iter().map(|(share, mu)| share * mu).sum();
        let (thin, thick) = (mean(0.0, 0.1), mean(0.0, 10.0));
        assert!((thin / 0.1 - slope).abs() < 0.02 * slope, "{thin}");
        assert!(thick < 0.6 * 10.0 * slope && thick > thin, "{thick}");
    }

    #[test]
    fn behind_much_metal_only_scatter_arrives() {
        let starved = (PHOTONS / SCATTERED).ln();
        assert!((mean(8.0, 200.0) - starved).abs() < 0.1, "{}", mean(8.0, 200.0));
        assert!(measure_through_titanium(f32::MAX, 1.0, &mut ChaCha8Rng::seed_from_u64(1)).is_finite());
    }
}
