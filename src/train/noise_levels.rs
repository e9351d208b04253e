//! At which noise levels a published network is trained, and how much each counts.
//!
//! Source: Song et al. 2021, equation 7, and its public code (`losses.py`); the weighting by likelihood and its
//! importance sampling are those of Song, Durkan, Murray and Ermon, "Maximum Likelihood Training of Score-Based
//! Diffusion Models", 2021.

use super::times::Times;
use crate::models::{ArchFile, BetaConfig, Conditioning, SdeConfig};
use crate::score::{SubVp, Ve, Vp};
use rand::{Rng, RngExt};

/// Which noise a published network is trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// Variance exploding, any time.
    Ve,
    /// Variance preserving, any time.
    Vp,
    /// Variance preserving with less noise, any time.
    SubVp,
    /// Variance exploding, listed noise levels (Song and Ermon 2019).
    Smld,
    /// Variance preserving, the steps of a chain, predicting the noise (Ho et al. 2020).
    Ddpm,
}

/// How much the error of a score counts at time `t`; `s²` of the noise unless it is weighted by likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// `λ = s²`, times uniform.
    Denoising,
    /// `λ = g²`, a bound on the likelihood; times uniform.
    Likelihood,
    /// `λ = g²`, times drawn with density `∝ g²/s²`: the same mean with less scatter.
    LikelihoodImportance,
}

/// A noise level of a training image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLevel {
    /// How the network is asked.
    pub conditioning: Conditioning,
    /// What the squared error of `s · score` is multiplied with.
    pub weight: f64,
}

/// The earliest time that training covers, as in the public code.
pub const FIRST_TIME: f64 = 1e-5;

/// Label of the last moment of a continuous process.
const LAST_LABEL: f64 = 999.0;

/// The distribution of noise levels.
#[derive(Clone, Debug)]
pub struct NoiseLevels {
    matching: Matching,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Continuous { times: Times, weighting: Weighting },
    Listed(Vec<Conditioning>),
}

impl NoiseLevels {
    /// Those of an objective, for a network with this description.
    ///
    /// # Errors
    /// Says which process the description would need.
    pub fn new(arch: &ArchFile, matching: Matching, weighting: Weighting) -> Result<Self, String> {
        let kind = Kind::new(arch, matching, weighting)?;
        Ok(Self { matching, kind })
    }

    /// Which noise it is.
    pub fn matching(&self) -> Matching {
        self.matching
    }

    /// One phrase for a model card.
    pub fn words(&self) -> String {
        let name = match self.matching {
            Matching::Ve => "score matching, VE",
            Matching::Vp => "score matching, VP",
            Matching::SubVp => "score matching, sub-VP",
            Matching::Smld => "score matching at listed noise levels (SMLD)",
            Matching::Ddpm => "prediction of the noise of a chain (DDPM)",
        };
        match self.kind {
            Kind::Continuous { weighting: Weighting::Likelihood, .. } => {
                format!("{name}, weighted by likelihood, times uniform")
            }
            Kind::Continuous { weighting: Weighting::LikelihoodImportance, .. } => {
                format!("{name}, weighted by likelihood, times by importance")
            }
            Kind::Continuous { weighting: Weighting::Denoising, .. } | Kind::Listed(_) => name.to_owned(),
        }
    }

    /// The objective that a description asks for by itself.
    pub fn objective(arch: &ArchFile) -> Matching {
        match (arch.noise_list(), arch.sde) {
            (None, Some(SdeConfig::Vp(beta))) if !beta.continuous => Matching::Ddpm,
            (None, Some(SdeConfig::Vp(_))) => Matching::Vp,
            (None, Some(SdeConfig::SubVp(_))) => Matching::SubVp,
            (None, _) => Matching::Ve,
            (Some(_), _) => Matching::Smld,
        }
    }

    /// A noise level at random.
    pub fn draw(&self, rng: &mut impl Rng) -> NoiseLevel {
        match &self.kind {
            Kind::Listed(levels) => {
                let conditioning = levels[rng.random_range(0..levels.len())];
                NoiseLevel { conditioning, weight: 1.0 }
            }
            Kind::Continuous { times, weighting } => {
                let u = rng.random::<f64>();
                let span = 1.0 - FIRST_TIME;
                let uniform = FIRST_TIME + u * span;
                let (t, weight) = match weighting {
                    Weighting::Denoising => (uniform, 1.0),
                    Weighting::Likelihood => (uniform, times.density(uniform)),
                    Weighting::LikelihoodImportance => {
                        (times.quantile(FIRST_TIME, u), times.total(FIRST_TIME) / span)
                    }
                };
                NoiseLevel { conditioning: times.conditioning(t), weight }
            }
        }
    }
}

impl Kind {
    fn new(arch: &ArchFile, matching: Matching, weighting: Weighting) -> Result<Self, String> {
        let listed = arch.noise_list();
        let times = |times: Times| Ok(Self::Continuous { times, weighting });
        let vp = |b: &BetaConfig| Vp { beta_min: b.beta_min, beta_max: b.beta_max };
        let weighted = weighting != Weighting::Denoising;
        match (matching, listed, arch.sde) {
            (Matching::Ve, None, Some(SdeConfig::Ve { sigma_min, sigma_max, .. })) => {
                times(Times::ve(Ve { sigma_min, sigma_max }))
            }
            (Matching::Vp, None, Some(SdeConfig::Vp(b))) if b.continuous => times(Times::vp(vp(&b))),
            (Matching::SubVp, None, Some(SdeConfig::SubVp(b))) if b.continuous => {
                times(Times::sub_vp(SubVp(vp(&b))))
            }
            (Matching::Smld | Matching::Ddpm, _, _) if weighted => {
                Err("weighting by likelihood belongs to the objectives in continuous time: ve, vp, sub-vp"
                    .to_owned())
            }
            (Matching::Smld, Some(sigmas), _) => Ok(Self::Listed(smld(&sigmas))),
            (Matching::Ddpm, None, Some(SdeConfig::Vp(b))) if !b.continuous => Ok(Self::Listed(ddpm(&b))),
            _ => Err(matching.needs().to_owned()),
        }
    }
}

impl Matching {
    fn needs(self) -> &'static str {
        match self {
            Self::Ve => {
                "the objective ve needs [sde] kind = \"ve\", continuous = true, and no network with listed levels"
            }
            Self::Vp => "the objective vp needs [sde] kind = \"vp\", continuous = true",
            Self::SubVp => "the objective sub-vp needs [sde] kind = \"subvp\", continuous = true",
            Self::Smld => {
                "the objective smld needs [sde] kind = \"ve\", continuous = false, or an NCSN network"
            }
            Self::Ddpm => "the objective ddpm needs [sde] kind = \"vp\", continuous = false",
        }
    }
}

impl Times {
    /// How the network is asked at time `t`: by σ for VE, by `999 t` for VP and sub-VP.
    fn conditioning(&self, t: f64) -> Conditioning {
        let at = self.marginal(t);
        match self {
            Self::Exploding(_) => Conditioning { label: at.std, mean: 1.0, std: at.std, factor: 1.0 },
            Self::Preserving(_) | Self::SubPreserving(_) => {
                Conditioning { label: LAST_LABEL * t, mean: at.mean, std: at.std, factor: -1.0 / at.std }
            }
        }
    }
}

/// The listed levels, asked for by their index.
fn smld(sigmas: &[f64]) -> Vec<Conditioning> {
    let level = |(i, &std): (usize, &f64)| Conditioning { label: i as f64, mean: 1.0, std, factor: 1.0 };
    sigmas.iter().enumerate().map(level).collect()
}

/// Every step of the chain `xᵢ = √(1−βᵢ) xᵢ₋₁ + √βᵢ z`, `βᵢ` linear from `beta_min/N` to `beta_max/N`: after
/// step `i`, `m = √ᾱᵢ` and `s = √(1−ᾱᵢ)` with `ᾱᵢ = Π (1−βⱼ)`. The output is the noise itself.
fn ddpm(beta: &BetaConfig) -> Vec<Conditioning> {
    let steps = beta.num_scales.max(1);
    let (mut kept, mut levels) = (1.0, Vec::with_capacity(steps));
    for i in 0..steps {
        let fraction = i as f64 / (steps - 1).max(1) as f64;
        let rate = (beta.beta_min + fraction * (beta.beta_max - beta.beta_min)) / steps as f64;
        kept *= (1.0 - rate).max(0.0);
        let (mean, std) = (kept.sqrt(), (1.0 - kept).sqrt());
        levels.push(Conditioning { label: i as f64, mean, std, factor: -1.0 / std });
    }
    levels
}
