//! ARCH.toml: what a bare checkpoint does not say about its network.

use super::config::NetworkConfig;
use crate::models::manifest::{Architecture, Manifest, Training, WeightsCard};
use crate::models::{Dtype, Tuned};
use serde::{Deserialize, Serialize};
use toml::Table;

/// The description of a published network: its options, its images and its noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchFile {
    /// The network and its options.
    pub network: NetworkConfig,
    /// The images it was trained on.
    pub data: DataConfig,
    /// The forward process; NCSN and NCSNv2 list their noise levels in `network` and may go without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sde: Option<SdeConfig>,
}

/// The images of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Rows and columns of the training images. The width decides where attention stands.
    pub image_size: ImageSize,
    /// Channels of an image.
    #[serde(alias = "channels")]
    pub num_channels: usize,
    /// Whether values lie around 0; otherwise they lie in 0 to 1 and the network itself takes `2x − 1`.
    #[serde(default)]
    pub centered: bool,
    /// NCSN's name for `centered`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rescaled: bool,
    /// Whether values are logits of a brightness; NCSN leaves these as they are, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub logit_transform: bool,
}

impl DataConfig {
    /// Whether the network takes values as they are.
    pub fn is_centered(&self) -> bool {
        self.centered || self.rescaled || self.logit_transform
    }
}

/// The side of square images, or rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ImageSize {
    /// As many rows as columns.
    Square(usize),
    /// Rows, columns.
    Rectangle([usize; 2]),
}

impl ImageSize {
    /// Number of rows.
    pub fn rows(self) -> usize {
        match self {
            Self::Square(side) | Self::Rectangle([side, _]) => side,
        }
    }

    /// Number of columns.
    pub fn cols(self) -> usize {
        match self {
            Self::Square(side) | Self::Rectangle([_, side]) => side,
        }
    }
}

/// The forward process that a network was trained for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SdeConfig {
    /// Variance exploding.
    Ve {
        /// Whether the label is σ; otherwise it is an index into the noise levels.
        #[serde(default = "yes")]
        continuous: bool,
        /// The smallest noise level.
        sigma_min: f64,
        /// The largest noise level.
        sigma_max: f64,
        /// How many levels a discrete model knows.
        #[serde(default = "thousand")]
        num_scales: usize,
    },
    /// Variance preserving.
    Vp(BetaConfig),
    /// Variance preserving with less noise.
    SubVp(BetaConfig),
}

/// The noise rate of VP and sub-VP processes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetaConfig {
    /// Whether time is continuous; the label is `999 t` either way, a step of `num_scales` otherwise.
    #[serde(default = "yes")]
    pub continuous: bool,
    /// `β(0)`
    pub beta_min: f64,
    /// `β(1)`
    pub beta_max: f64,
    /// How many steps a discrete model knows.
    #[serde(default = "thousand")]
    pub num_scales: usize,
}

impl SdeConfig {
    /// How many noise levels upstream lists.
    pub fn num_scales(&self) -> usize {
        match self {
            Self::Ve { num_scales, .. } => *num_scales,
            Self::Vp(beta) | Self::SubVp(beta) => beta.num_scales,
        }
    }
}

fn yes() -> bool {
    true
}
fn thousand() -> usize {
    1000
}

/// The file as it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    architecture: toml::Value,
    #[serde(default)]
    model: Table,
    data: Table,
    sde: Option<SdeConfig>,
}

/// What upstream keeps in its `model` table and what says nothing about the network.
const IGNORED_IN_MODEL: &[&str] = &["name", "ema_rate", "attention_type", "batch_norm"];
/// What upstream keeps there, too, and what `[sde]` says.
const SAID_BY_SDE: &[&str] = &["sigma_min", "sigma_max", "beta_min", "beta_max", "num_scales"];
/// What upstream keeps in its `data` table and what says nothing about the network.
const IGNORED_IN_DATA: &[&str] = &[
    "dataset",
    "random_flip",
    "uniform_dequantization",
    "gaussian_dequantization",
    "category",
    "tfrecords_path",
];

impl ArchFile {
    /// Reads ARCH.toml.
    ///
    /// # Errors
    /// When the text is not TOML, names an unknown option, or describes a network that cannot be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let line = |e: toml::de::Error| e.message().trim().replace('\n', " ");
        let mut raw: Raw = toml::from_str(text).map_err(|e| e.to_string().trim().replace('\n', " "))?;
        let ncsn = raw.architecture.as_str().is_some_and(|name| name.starts_with("ncsn") && name != "ncsnpp");
        let said = if ncsn { &[] } else { SAID_BY_SDE };
        raw.model.retain(|key, _| !IGNORED_IN_MODEL.contains(&key) && !said.contains(&key));
        normalization(&mut raw.model, ncsn)?;
        raw.data.retain(|key, _| !IGNORED_IN_DATA.contains(&key));
        if raw.data.contains_key("num_channels") {
            raw.data.remove("channels");
        }
        let network = Table::from_iter([
            ("architecture".to_owned(), raw.architecture),
            ("model".to_owned(), toml::Value::Table(raw.model)),
        ]);
        let arch = Self {
            network: network.try_into().map_err(|e| format!("[model]: {}", line(e)))?,
            data: raw.data.try_into().map_err(|e| format!("[data]: {}", line(e)))?,
            sde: raw.sde,
        };
        arch.problem().map_or(Ok(arch), Err)
    }

    /// A model card for this network; the card of the weights is filled in when the bundle is written.
    ///
    /// It names no kind of image and no value mapping: with both added, the network can be used as a prior.
    pub fn manifest(&self, name: &str, summary: &str) -> Manifest {
        Manifest {
            name: name.to_owned(),
            version: "1".to_owned(),
            modality: None,
            summary: summary.to_owned(),
            architecture: Architecture::Published(self.clone()),
            value: None,
            training: Training::default(),
            tuned: Tuned::default(),
            typical: None,
            family: None,
            side: None,
            weights: WeightsCard { sha256: String::new(), dtype: Dtype::F32, parameters: 0 },
        }
    }
}

impl ArchFile {
    /// One line for people.
    pub fn summary(&self) -> String {
        let (name, nf) = match &self.network {
            NetworkConfig::Ncsnpp(config) => ("ncsnpp", config.nf),
            NetworkConfig::Ddpm(config) => ("ddpm", config.nf),
            NetworkConfig::Ncsn(config) => ("ncsn", config.ngf),
            NetworkConfig::Ncsnv2(config) => ("ncsnv2", config.ngf),
            NetworkConfig::Ncsnv2Deeper(config) => ("ncsnv2deeper", config.ngf),
            NetworkConfig::Ncsnv2Deepest(config) => ("ncsnv2deepest", config.ngf),
        };
        let DataConfig { image_size, num_channels, .. } = self.data;
        let (rows, cols) = (image_size.rows(), image_size.cols());
        format!("{name}, {nf} channels at {rows} x {cols} pixels of {num_channels}")
    }
}

/// Takes upstream's name of the normalisation out, after a look at it.
fn normalization(model: &mut Table, ncsn: bool) -> Result<(), String> {
    let known = if ncsn { "InstanceNorm++" } else { "GroupNorm" };
    match model.remove("normalization") {
        Some(name) if name.as_str() != Some(known) => {
            Err(format!("[model]: normalization = {name} is not supported; only \"{known}\" is"))
        }
        _ => Ok(()),
    }
}
