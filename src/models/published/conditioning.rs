//! From a noise level to the label that a network was trained with, and from its output to the score.
//!
//! Source: Song et al. 2021 and its public code: for VE the output at label σ (or at the index of the level)
//! is the score; for VP and sub-VP the score is `−output/s` at label `999 t`, where `s` is the standard
//! deviation of the noise at time `t`.

use super::arch_file::{ArchFile, BetaConfig, SdeConfig};
use super::config::{Embedding, NcsnConfig, NetworkConfig, Spacing};
use crate::score::{Marginal, Sde, SubVp, Vp};

/// Label of the last moment of a continuous process.
const LAST_LABEL: f64 = 999.0;
/// The earliest time that VP training covers.
const FIRST_TIME: f64 = 1e-3;

/// What a network is called with, and what its output is multiplied with to be a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditioning {
    /// The upstream conditioning value.
    pub label: f64,
    /// `m(t)` of the process: the network sees `m x₀ + s z`. 1 for VE.
    pub mean: f64,
    /// `s(t)`, the standard deviation of the noise.
    pub std: f64,
    /// `∇ log pₜ = factor · output`.
    pub factor: f64,
}

/// How noise levels are named.
enum Naming<'a> {
    Sigma,
    Geometric { smallest: f64, largest: f64, count: usize },
    Uniform { smallest: f64, largest: f64, count: usize },
    Time { beta: &'a BetaConfig, less_noise: bool },
}

impl ArchFile {
    fn naming(&self) -> Naming<'_> {
        match (&self.network, &self.sde) {
            (
                NetworkConfig::Ncsn(config)
                | NetworkConfig::Ncsnv2(config)
                | NetworkConfig::Ncsnv2Deeper(config)
                | NetworkConfig::Ncsnv2Deepest(config),
                _,
            ) => listed(config),
            (_, Some(SdeConfig::Ve { continuous: true, .. }) | None) => Naming::Sigma,
            (_, Some(SdeConfig::Ve { sigma_min, sigma_max, num_scales, .. })) => {
                Naming::Geometric { smallest: *sigma_min, largest: *sigma_max, count: *num_scales }
            }
            (_, Some(SdeConfig::Vp(beta))) => Naming::Time { beta, less_noise: false },
            (_, Some(SdeConfig::SubVp(beta))) => Naming::Time { beta, less_noise: true },
        }
    }

    /// How to ask for the score of images at standard deviation `std` of the process's own noise: for VP and
    /// sub-VP these images are `m(t) x₀ + s(t) z` with `s(t) = std`. Times beyond the last count as the last.
    ///
    /// # Errors
    /// When `std` is not positive and finite, or the process never reaches it.
    pub fn conditioning(&self, std: f64) -> Result<Conditioning, String> {
        if !(std.is_finite() && std > 0.0) {
            return Err(format!("a noise level must be positive and finite, not {std}"));
        }
        match self.naming() {
            Naming::Time { beta, less_noise } => {
                if std >= 1.0 {
                    return Err(format!("a noise level of this process is below 1, not {std}"));
                }
                let integral = if less_noise { -(-std).ln_1p() } else { -(-std * std).ln_1p() };
                Ok(at_integral(beta, integral, Some(std), less_noise))
            }
            _ => Ok(self.added(std)),
        }
    }

    /// How to ask for the score of images `x₀ + std z`, to which noise was only added.
    ///
    /// # Errors
    /// When `std` is not positive and finite.
    pub fn conditioning_of_added_noise(&self, std: f64) -> Result<Conditioning, String> {
        if !(std.is_finite() && std > 0.0) {
            return Err(format!("a noise level must be positive and finite, not {std}"));
        }
        Ok(self.added(std))
    }

    fn added(&self, std: f64) -> Conditioning {
        let label = match self.naming() {
            Naming::Sigma => std,
            Naming::Geometric { smallest, largest, count } => {
                index((largest / std).ln() / (largest / smallest).ln(), count)
            }
            Naming::Uniform { smallest, largest, count } => {
                index((largest - std) / (largest - smallest), count)
            }
            Naming::Time { beta, less_noise } => {
                // (s/m)² is e^I − 1 for VP, and s/m is 2 sinh(I/2) for sub-VP, I being the integral of β.
                let integral = if less_noise { 2.0 * (0.5 * std).asinh() } else { (std * std).ln_1p() };
                return at_integral(beta, integral, None, less_noise);
            }
        };
        Conditioning { label, mean: 1.0, std, factor: 1.0 }
    }

    /// Whether the network can be called with this conditioning value.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check_label(&self, label: f64) -> Result<(), String> {
        let listed = match &self.network {
            NetworkConfig::Ncsnpp(config) if config.embedding_type == Embedding::Fourier => {
                let good = label.is_finite() && label > 0.0;
                return good.then_some(()).ok_or_else(|| format!("a label is a noise level, not {label}"));
            }
            NetworkConfig::Ncsnpp(config) => config.scale_by_sigma.then_some(self.scales()),
            NetworkConfig::Ddpm(config) => config.scale_by_sigma.then_some(self.scales()),
            NetworkConfig::Ncsn(config)
            | NetworkConfig::Ncsnv2(config)
            | NetworkConfig::Ncsnv2Deeper(config)
            | NetworkConfig::Ncsnv2Deepest(config) => Some(config.num_classes),
        };
        let below = listed.map_or(f64::INFINITY, |count| count as f64);
        let good = (0.0..below).contains(&label);
        good.then_some(()).ok_or_else(|| format!("a label lies from 0 to below {below}, unlike {label}"))
    }

    /// The noise levels that labels count, the largest first; none where labels are levels or times.
    pub fn noise_list(&self) -> Option<Vec<f64>> {
        let spaced = |count: usize, level: &dyn Fn(f64) -> f64| {
            let last = count.saturating_sub(1).max(1) as f64;
            Some((0..count).map(|i| level(i as f64 / last)).collect())
        };
        match self.naming() {
            Naming::Geometric { smallest, largest, count } => {
                spaced(count, &|part| largest * (smallest / largest).powf(part))
            }
            Naming::Uniform { smallest, largest, count } => {
                spaced(count, &|part| largest + part * (smallest - largest))
            }
            Naming::Sigma | Naming::Time { .. } => None,
        }
    }

    /// How many noise levels upstream lists beside the network.
    pub(super) fn scales(&self) -> usize {
        self.sde.as_ref().map_or(0, SdeConfig::num_scales)
    }

    /// The smallest and the largest noise level, as standard deviations of noise added to images.
    pub fn noise_range(&self) -> (f64, f64) {
        match self.naming() {
            Naming::Geometric { smallest, largest, .. } | Naming::Uniform { smallest, largest, .. } => {
                (smallest, largest)
            }
            Naming::Sigma => match self.sde {
                Some(SdeConfig::Ve { sigma_min, sigma_max, .. }) => (sigma_min, sigma_max),
                _ => (0.01, 50.0),
            },
            Naming::Time { beta, less_noise } => {
                let added = |t| {
                    let Marginal { mean, std } = marginal(beta, less_noise, t);
                    std / mean
                };
                (added(FIRST_TIME), added(1.0))
            }
        }
    }
}

fn listed(config: &NcsnConfig) -> Naming<'static> {
    let (smallest, largest, count) = (config.sigma_end, config.sigma_begin, config.num_classes);
    match config.sigma_dist {
        Spacing::Geometric => Naming::Geometric { smallest, largest, count },
        Spacing::Uniform => Naming::Uniform { smallest, largest, count },
    }
}

/// The nearest index to a fraction of the way from the largest level to the smallest.
fn index(fraction: f64, count: usize) -> f64 {
    let last = count.saturating_sub(1) as f64;
    (fraction * last).round().clamp(0.0, last)
}

/// `m` and `s` at time `t`.
fn marginal(beta: &BetaConfig, less_noise: bool, t: f64) -> Marginal {
    let vp = Vp { beta_min: beta.beta_min, beta_max: beta.beta_max };
    if less_noise { SubVp(vp).marginal(t) } else { vp.marginal(t) }
}

/// The moment at which `∫₀ᵗ β` has this value, `β` being linear; `std` if it is known already.
fn at_integral(beta: &BetaConfig, integral: f64, std: Option<f64>, less_noise: bool) -> Conditioning {
    let vp = Vp { beta_min: beta.beta_min, beta_max: beta.beta_max };
    let t = vp.time_of_integral(integral).min(1.0);
    let Marginal { mean, std: reached } = marginal(beta, less_noise, t);
    let last = if beta.continuous { LAST_LABEL } else { beta.num_scales.saturating_sub(1) as f64 };
    let std = std.unwrap_or(reached);
    Conditioning { label: t * last, mean, std, factor: -1.0 / std }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arch(sde: &str) -> ArchFile {
        let model = "[model]\nnf = 8\nch_mult = [1]\nnum_res_blocks = 1\nattn_resolutions = []\n\
                     embedding_type = \"positional\"\nresblock_type = \"ddpm\"\n";
        let text = format!(
            "architecture = \"ncsnpp\"\n{model}[data]\nimage_size = 8\nnum_channels = 1\n[sde]\n{sde}\n"
        );
        ArchFile::parse(&text).unwrap()
    }

    #[test]
    fn times_are_found_from_either_noise_level() {
        for (kind, less_noise) in [("vp", false), ("subvp", true)] {
            let arch = arch(&format!("kind = \"{kind}\"\nbeta_min = 0.1\nbeta_max = 20.0"));
            let beta = BetaConfig { continuous: true, beta_min: 0.1, beta_max: 20.0, num_scales: 1000 };
            for t in [1e-4, 0.01, 0.3, 0.77, 1.0] {
                let Marginal { mean, std } = marginal(&beta, less_noise, t);
                let own = arch.conditioning(std).unwrap();
                assert!((own.label - 999.0 * t).abs() < 1e-6 && (own.factor + 1.0 / std).abs() < 1e-9 / std);
                let added = arch.conditioning_of_added_noise(std / mean).unwrap();
                assert!((added.label - 999.0 * t).abs() < 1e-6 && (added.mean - mean).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn discrete_levels_are_the_nearest() {
        let arch =
            arch("kind = \"ve\"\ncontinuous = false\nsigma_min = 0.01\nsigma_max = 100.0\nnum_scales = 5");
        for (std, label) in [(100.0, 0.0), (9.0, 1.0), (1.1, 2.0), (0.01, 4.0), (1e-9, 4.0), (1e9, 0.0)] {
            assert_eq!(arch.conditioning(std).unwrap(), Conditioning { label, mean: 1.0, std, factor: 1.0 });
        }
    }

    #[test]
    fn levels_that_are_none_are_refused() {
        let vp = arch("kind = \"vp\"\nbeta_min = 0.1\nbeta_max = 20.0");
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1.0] {
            assert!(vp.conditioning(bad).is_err(), "{bad}");
        }
    }
}
