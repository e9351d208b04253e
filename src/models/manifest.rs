//! The model card: what a network is, what its numbers mean, and where it comes from.

use super::Parameter;
use super::Tuned;
use super::card::Card;
use super::family::Family;
use super::published::ArchFile;
use super::value_mapping::ValueMapping;
use recon_data::Modality;
use serde::{Deserialize, Serialize};

/// The model card, `manifest.toml` of a bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Card", into = "Card")]
pub struct Manifest {
    /// Short name, as in `--model NAME`.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// The kind of image it knows; a network without one can be scored and sampled, and is no prior.
    pub modality: Option<Modality>,
    /// One line for people.
    pub summary: String,
    /// Pixels of the longer side of its images, for a network that knows whole images at one size.
    pub side: Option<usize>,
    /// The network.
    pub architecture: Architecture,
    /// The measurements that it was trained for, for a network that is told what was measured.
    pub family: Option<Family>,
    /// How physical values become model values; a network without one is no prior.
    pub value: Option<ValueMapping>,
    /// How it was trained.
    pub training: Training,
    /// Settings of methods that were found for it.
    pub tuned: Tuned,
    /// What images of the kind that it knows look like to it.
    pub typical: Option<Typical>,
    /// The tensors' file.
    pub weights: WeightsCard,
}

/// A network, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Architecture {
    /// The program's own denoiser.
    FilmUnet(FilmUnet),
    /// A published network, with its images and its noise.
    Published(ArchFile),
}

/// A U-Net of residual blocks whose second normalisation is modulated by the noise level (FiLM), preconditioned
/// as in Karras et al. 2022.
#[derive(Clone, Debug, PartialEq)]
pub struct FilmUnet {
    /// The size of the network.
    pub size: UnetConfig,
    /// `σ_data` of the preconditioning, in model units.
    pub sigma_data: f64,
    /// Smallest noise level that training covered, in model units.
    pub sigma_min: f64,
    /// Largest noise level that training covered, in model units.
    pub sigma_max: f64,
}

/// The size of a [`Unet`](super::Unet).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnetConfig {
    /// Channels of each resolution, finest first; multiples of 8.
    pub channels: Vec<usize>,
    /// Residual blocks of each resolution, finest first, on the way down and again on the way up.
    pub blocks: Vec<usize>,
    /// Residual blocks between the two.
    pub middle: usize,
    /// Length of the noise-level embedding.
    pub embedding: usize,
    /// Number of Fourier frequencies of `ln σ / 4`.
    pub frequencies: usize,
    /// Input channels: 1 for an image alone.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub inputs: usize,
}

fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serialiser passes a reference")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// What images of the kind that a network was trained on look like to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typical {
    /// The noise level that an image is tried with, in model units.
    pub noise: f64,
    /// The least and the largest denoising error in units of that noise.
    pub error: [f64; 2],
    /// The least and the largest value, in model units.
    pub values: [f64; 2],
}

/// How a network was trained; empty where nobody says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Optimiser steps.
    pub steps: u64,
    /// Wall time, seconds.
    pub seconds: u64,
    /// The loss and the noise levels.
    pub objective: String,
    /// Program, optimiser, augmentation.
    pub how: String,
    /// The images.
    #[serde(default)]
    pub data: Vec<Collection>,
}

/// A collection of training images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Its name.
    pub collection: String,
    /// Its licence.
    pub licence: String,
}

/// The number format that tensors are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
}

/// The file of tensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsCard {
    /// SHA-256 of `weights.safetensors`, lower-case hexadecimal.
    pub sha256: String,
    /// The number format.
    pub dtype: Dtype,
    /// How many numbers.
    pub parameters: u64,
}

/// Largest channel count and embedding length that a manifest may ask for.
const MAX_WIDTH: usize = 1024;
/// Largest side of whole images.
const MAX_SIDE: usize = 4096;
/// Largest number of resolutions.
const MAX_LEVELS: usize = 8;
/// Largest number of residual blocks in a row.
const MAX_BLOCKS: usize = 64;
/// Largest number of input channels.
const MAX_INPUTS: usize = 64;
/// Channels that share a mean and a variance.
pub(super) const GROUP_CHANNELS: usize = 8;

impl Manifest {
    /// What is wrong with the numbers of this card, if anything.
    pub fn problem(&self) -> Option<String> {
        let value = self.value.as_ref().and_then(ValueMapping::problem);
        let network = || match &self.architecture {
            Architecture::FilmUnet(unet) => unet.problem(),
            Architecture::Published(arch) => arch.problem(),
        };
        let side = self.side.filter(|side| !(1..=MAX_SIDE).contains(side));
        let side = side.map(|side| format!("side = {side} must lie in 1..={MAX_SIDE}"));
        value
            .or(side)
            .or_else(network)
            .or_else(|| self.family_problem())
            .or_else(|| self.tuned.problem(self.modality))
    }

    /// What does not fit between the network and the measurements that it was trained for, if anything.
    fn family_problem(&self) -> Option<String> {
        let inputs = self.film_unet().map_or(1, |unet| unet.size.inputs);
        let Some(family) = &self.family else {
            let message = || format!("inputs = {inputs}, and no table [family] says what they are");
            return (inputs != 1).then(message);
        };
        if self.film_unet().is_none() {
            return Some("[family] belongs to a card with [architecture]".to_owned());
        }
        if inputs != family.inputs() {
            return Some(format!("inputs = {inputs}, and such a family has {}", family.inputs()));
        }
        if self.modality != Some(family.modality()) {
            return Some("[family] is one of another modality".to_owned());
        }
        family.problem()
    }

    /// The program's own network, if it is one.
    pub fn film_unet(&self) -> Option<&FilmUnet> {
        match &self.architecture {
            Architecture::FilmUnet(unet) => Some(unet),
            Architecture::Published(_) => None,
        }
    }

    /// The tensors of the network.
    pub fn parameters(&self) -> Vec<Parameter> {
        match &self.architecture {
            Architecture::FilmUnet(unet) => {
                let own = unet.size.parameters().into_iter();
                own.map(|(name, shape)| Parameter::trainable(name, shape)).collect()
            }
            Architecture::Published(arch) => arch.parameters(),
        }
    }

    /// The smallest and the largest noise level that training covered, as standard deviations of noise added
    /// to images in model units.
    pub fn noise_range(&self) -> (f64, f64) {
        match &self.architecture {
            Architecture::FilmUnet(unet) => (unet.sigma_min, unet.sigma_max),
            Architecture::Published(arch) => arch.noise_range(),
        }
    }
}

impl FilmUnet {
    fn problem(&self) -> Option<String> {
        let sigmas =
            [("sigma_data", self.sigma_data), ("sigma_min", self.sigma_min), ("sigma_max", self.sigma_max)];
        if let Some((name, value)) = sigmas.iter().find(|(_, v)| !(v.is_finite() && *v > 0.0)) {
            return Some(format!("{name} = {value} must be positive and finite"));
        }
        if self.sigma_min >= self.sigma_max {
            return Some(format!(
                "sigma_min = {} must be below sigma_max = {}",
                self.sigma_min, self.sigma_max
            ));
        }
        self.size.problem()
    }
}

impl UnetConfig {
    /// Number of resolutions.
    pub fn levels(&self) -> usize {
        self.channels.len()
    }

    /// Rows and columns inside the network are a multiple of this.
    pub fn multiple(&self) -> usize {
        1 << self.levels().saturating_sub(1)
    }

    /// What is wrong with the size, if anything.
    pub fn problem(&self) -> Option<String> {
        if !(1..=MAX_LEVELS).contains(&self.levels()) {
            return Some(format!("channels must name 1 to {MAX_LEVELS} resolutions, not {}", self.levels()));
        }
        let bad = |c: &&usize| **c == 0 || **c > MAX_WIDTH || !c.is_multiple_of(GROUP_CHANNELS);
        if let Some(c) = self.channels.iter().find(bad) {
            return Some(format!("channels: {c} is not a multiple of {GROUP_CHANNELS} up to {MAX_WIDTH}"));
        }
        if self.blocks.len() != self.levels() {
            return Some(format!(
                "blocks names {} resolutions, channels {}",
                self.blocks.len(),
                self.levels()
            ));
        }
        if let Some(n) = self.blocks.iter().find(|n| !(1..=MAX_BLOCKS).contains(*n)) {
            return Some(format!("blocks: {n} must lie in 1..={MAX_BLOCKS}"));
        }
        if self.middle > MAX_BLOCKS {
            return Some(format!("middle = {} is more than {MAX_BLOCKS}", self.middle));
        }
        let sizes = [
            ("embedding", self.embedding, 1, MAX_WIDTH),
            ("frequencies", self.frequencies, 2, MAX_WIDTH),
            ("inputs", self.inputs, 1, MAX_INPUTS),
        ];
        let out = sizes.iter().find(|(_, n, least, most)| !(least..=most).contains(&n));
        out.map(|(name, n, least, most)| format!("{name} = {n} must lie in {least}..={most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_cards_parse_and_survive_a_round_trip() {
        for text in [recon_data::weights::CT.manifest, recon_data::weights::MR.manifest] {
            let card: Manifest = toml::from_str(text).unwrap();
            assert_eq!(card.problem(), None);
            let again: Manifest = toml::from_str(&toml::to_string(&card).unwrap()).unwrap();
            assert_eq!(card, again);
        }
    }

    #[test]
    fn impossible_sizes_are_named() {
        let config = |channels: Vec<usize>, blocks: Vec<usize>| UnetConfig {
            channels,
            blocks,
            middle: 1,
            embedding: 8,
            frequencies: 4,
            inputs: 1,
        };
        assert_eq!(config(vec![8, 16], vec![2, 1]).problem(), None);
        for bad in [vec![], vec![8; 9], vec![12], vec![0], vec![1 << 40]] {
            let blocks = vec![1; bad.len()];
            assert!(config(bad.clone(), blocks).problem().is_some(), "{bad:?}");
        }
        for bad in [vec![1], vec![1, 0], vec![1, 65], vec![1, 1, 1]] {
            assert!(config(vec![8, 16], bad.clone()).problem().is_some(), "{bad:?}");
        }
    }
}
