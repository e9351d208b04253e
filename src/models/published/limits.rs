//! Which descriptions of networks are possible, and not so large that reading them would hurt.

use super::arch_file::{ArchFile, BetaConfig, SdeConfig};
use super::config::{DdpmConfig, Embedding, NcsnConfig, NcsnppConfig, NetworkConfig};

/// Largest channel count.
const MAX_CHANNELS: usize = 8192;
/// Largest number of resolutions.
const MAX_LEVELS: usize = 12;
/// Most residual blocks of a resolution.
const MAX_BLOCKS: usize = 64;
/// Most noise levels.
const MAX_SCALES: usize = 1 << 20;
/// Largest side of a training image.
const MAX_SIDE: usize = 1 << 16;
/// Most coefficients of a filter.
const MAX_TAPS: usize = 32;

impl ArchFile {
    /// What is wrong with the description, if anything.
    pub fn problem(&self) -> Option<String> {
        let size = self.data.image_size;
        let problem = within("image_size", size.rows(), 1, MAX_SIDE)
            .or_else(|| within("image_size", size.cols(), 1, MAX_SIDE))
            .or_else(|| within("num_channels", self.data.num_channels, 1, MAX_CHANNELS))
            .or_else(|| self.sde.as_ref().and_then(SdeConfig::problem))
            .or_else(|| self.network_problem());
        // Only what is known to be small may be built; the rest of the rules are the builders' own.
        // The message without the stack that the environment may ask the tensor library for.
        problem.or_else(|| self.list().err()?.to_string().lines().next().map(str::to_owned))
    }

    fn network_problem(&self) -> Option<String> {
        let needs_sde = || {
            let missing = self.sde.is_none();
            missing.then(|| {
                "[sde] is missing; give kind, and sigma_min, sigma_max or beta_min, beta_max".to_owned()
            })
        };
        match &self.network {
            NetworkConfig::Ncsnpp(config) => needs_sde().or_else(|| config.problem(self.sde.as_ref())),
            NetworkConfig::Ddpm(config) => needs_sde().or_else(|| config.problem()),
            NetworkConfig::Ncsn(config)
            | NetworkConfig::Ncsnv2(config)
            | NetworkConfig::Ncsnv2Deeper(config)
            | NetworkConfig::Ncsnv2Deepest(config) => config.problem(),
        }
    }
}

fn within(name: &str, value: usize, least: usize, most: usize) -> Option<String> {
    (!(least..=most).contains(&value)).then(|| format!("{name} = {value} must lie in {least}..={most}"))
}

/// `smaller` and `larger` are positive, finite and in order.
fn ordered(names: [&str; 2], smaller: f64, larger: f64) -> Option<String> {
    let good = smaller > 0.0 && smaller < larger && larger.is_finite();
    (!good).then(|| {
        format!(
            "{} = {smaller} and {} = {larger} must be positive, finite and in this order",
            names[0], names[1]
        )
    })
}

impl SdeConfig {
    fn problem(&self) -> Option<String> {
        let range = match *self {
            Self::Ve { sigma_min, sigma_max, .. } => {
                ordered(["sigma_min", "sigma_max"], sigma_min, sigma_max)
            }
            Self::Vp(BetaConfig { beta_min, beta_max, .. })
            | Self::SubVp(BetaConfig { beta_min, beta_max, .. }) => {
                ordered(["beta_min", "beta_max"], beta_min, beta_max)
            }
        };
        range.or_else(|| within("num_scales", self.num_scales(), 1, MAX_SCALES))
    }
}

/// What DDPM and its descendants have in common.
fn trunk_problem(nf: usize, multiples: &[usize], blocks: usize) -> Option<String> {
    let largest = multiples.iter().copied().max().unwrap_or(0);
    within("nf", nf, 4, MAX_CHANNELS)
        .or_else(|| within("the number of entries of ch_mult", multiples.len(), 1, MAX_LEVELS))
        .or_else(|| multiples.iter().find_map(|m| within("ch_mult", *m, 1, MAX_CHANNELS)))
        .or_else(|| within("nf times the largest of ch_mult", nf * largest, 1, MAX_CHANNELS))
        .or_else(|| within("num_res_blocks", blocks, 1, MAX_BLOCKS))
}

impl NcsnppConfig {
    fn problem(&self, sde: Option<&SdeConfig>) -> Option<String> {
        let continuous = match sde {
            Some(SdeConfig::Ve { continuous, .. }) => *continuous,
            Some(SdeConfig::Vp(beta) | SdeConfig::SubVp(beta)) => beta.continuous,
            None => true,
        };
        let fourier = self.embedding_type == Embedding::Fourier;
        trunk_problem(self.nf, &self.ch_mult, self.num_res_blocks)
            .or_else(|| within("conv_size", self.conv_size, 3, 3))
            .or_else(|| self.filter_problem())
            .or_else(|| {
                (fourier && !continuous)
                    .then(|| "embedding_type = \"fourier\" needs continuous = true".to_owned())
            })
    }

    fn filter_problem(&self) -> Option<String> {
        let sum: f32 = self.fir_kernel.iter().sum();
        within("the number of entries of fir_kernel", self.fir_kernel.len(), 2, MAX_TAPS).or_else(|| {
            let bad = !sum.is_finite() || sum == 0.0;
            bad.then(|| format!("the sum of fir_kernel is {sum}; it must be finite and not 0"))
        })
    }
}

impl DdpmConfig {
    fn problem(&self) -> Option<String> {
        trunk_problem(self.nf, &self.ch_mult, self.num_res_blocks)
    }
}

impl NcsnConfig {
    fn problem(&self) -> Option<String> {
        if self.spec_norm {
            return Some(
                "spec_norm = true is not supported; divide the filters by their norms first".to_owned(),
            );
        }
        within("ngf", self.ngf, 2, MAX_CHANNELS / 4)
            .or_else(|| within("num_classes", self.num_classes, 1, MAX_SCALES))
            .or_else(|| ordered(["sigma_end", "sigma_begin"], self.sigma_end, self.sigma_begin))
    }
}
