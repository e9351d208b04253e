//! Ladders of noise levels for samplers that work on `x/m`, images with noise of standard deviation `σ` added.

use super::Sde;

/// How the noise levels between the first and the last are spaced. All fall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// `σᵢ = (σ_max^(1/ρ) + i/(n−1) (σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ` (Karras et al. 2022, eq. 5; ρ = 7 there).
    Karras {
        /// The last level above 0.
        sigma_min: f64,
        /// The first level.
        sigma_max: f64,
        /// How much denser small levels lie.
        rho: f64,
    },
    /// `σᵢ = σ_max (σ_min/σ_max)^(i/(n−1))`: even steps of `ln σ`.
    Geometric {
        /// The last level above 0.
        sigma_min: f64,
        /// The first level.
        sigma_max: f64,
    },
}

impl Schedule {
    /// The `count` levels, the largest first; one level is the largest.
    pub fn levels(&self, count: usize) -> Vec<f64> {
        let last = count.saturating_sub(1).max(1) as f64;
        (0..count).map(|i| self.level(i as f64 / last)).collect()
    }

    fn level(&self, fraction: f64) -> f64 {
        match *self {
            Self::Karras { sigma_min, sigma_max, rho } => {
                let (first, last) = (sigma_max.powf(1.0 / rho), sigma_min.powf(1.0 / rho));
                (first + fraction * (last - first)).powf(rho)
            }
            Self::Geometric { sigma_min, sigma_max } => sigma_max * (sigma_min / sigma_max).powf(fraction),
        }
    }
}

/// The noise levels `s/m` of a process at `count` even times from 1 down to `t_end`.
pub fn levels_of_process(sde: &dyn Sde, count: usize, t_end: f64) -> Vec<f64> {
    let last = count.saturating_sub(1).max(1) as f64;
    (0..count).map(|i| sde.noise_level(1.0 + (t_end - 1.0) * i as f64 / last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Ve;

    #[test]
    fn schedules_fall_from_end_to_end() {
        let (sigma_min, sigma_max) = (0.002, 80.0);
        for schedule in [
            Schedule::Karras { sigma_min, sigma_max, rho: 7.0 },
            Schedule::Geometric { sigma_min, sigma_max },
        ] {
            let levels = schedule.levels(18);
            assert!((levels[0] / sigma_max - 1.0).abs() < 1e-12);
            assert!((levels[17] / sigma_min - 1.0).abs() < 1e-9);
            assert!(levels.windows(2).all(|pair| pair[0] > pair[1]));
        }
    }

    /// The second level of 18 in the published table of Karras et al., computed by hand from eq. 5.
    #[test]
    fn the_spacing_is_that_of_the_paper() {
        let levels = Schedule::Karras { sigma_min: 0.002, sigma_max: 80.0, rho: 7.0 }.levels(18);
        assert!((levels[1] - 57.586).abs() < 1e-3, "{}", levels[1]);
    }

    #[test]
    fn the_levels_of_a_geometric_process_are_geometric() {
        let ve = Ve { sigma_min: 0.01, sigma_max: 50.0 };
        let even = Schedule::Geometric { sigma_min: 0.01, sigma_max: 50.0 }.levels(9);
        for (a, b) in levels_of_process(&ve, 9, 0.0).iter().zip(even) {
            assert!((a / b - 1.0).abs() < 1e-12);
        }
    }
}
