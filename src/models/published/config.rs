//! What the published networks can be asked for, in upstream's words.

use super::layers::Nonlinearity;
use serde::{Deserialize, Serialize};

/// A published network and its options; `architecture` names it, `model` holds the options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "architecture", content = "model", rename_all = "lowercase")]
pub enum NetworkConfig {
    /// NCSN++ and DDPM++ (Song et al. 2021).
    Ncsnpp(NcsnppConfig),
    /// The original DDPM (Ho et al. 2020).
    Ddpm(DdpmConfig),
    /// NCSN (Song and Ermon 2019), every normalisation conditioned on the noise level.
    Ncsn(NcsnConfig),
    /// NCSNv2 (Song and Ermon 2020) for images below 96 pixels.
    Ncsnv2(NcsnConfig),
    /// NCSNv2 with one more halving.
    Ncsnv2Deeper(NcsnConfig),
    /// NCSNv2 with two more halvings.
    Ncsnv2Deepest(NcsnConfig),
}

/// Options of NCSN++ and DDPM++.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NcsnppConfig {
    /// Channels of the finest resolution.
    pub nf: usize,
    /// Channels of each resolution, as multiples of `nf`.
    pub ch_mult: Vec<usize>,
    /// Residual blocks of each resolution.
    pub num_res_blocks: usize,
    /// Widths at which blocks are followed by attention.
    pub attn_resolutions: Vec<usize>,
    /// Whether the blocks are told the noise level.
    #[serde(default = "yes")]
    pub conditional: bool,
    /// How the noise level becomes a vector.
    pub embedding_type: Embedding,
    /// Whether images are halved and doubled with `fir_kernel`.
    #[serde(default)]
    pub fir: bool,
    /// One dimension of the separable filter, of any sum.
    #[serde(default = "binomial")]
    pub fir_kernel: Vec<f32>,
    /// The residual block.
    pub resblock_type: ResidualKind,
    /// What is gathered over the resolutions on the way up.
    #[serde(default)]
    pub progressive: ProgressiveOutput,
    /// What is fed to the resolutions on the way down.
    #[serde(default)]
    pub progressive_input: ProgressiveInput,
    /// How the fed image joins the features.
    #[serde(default)]
    pub progressive_combine: Combination,
    /// Whether halving and doubling between `ddpm` blocks convolves.
    #[serde(default = "yes")]
    pub resamp_with_conv: bool,
    /// Whether the output is divided by the noise level.
    #[serde(default)]
    pub scale_by_sigma: bool,
    /// Whether sums of two branches are divided by √2.
    #[serde(default)]
    pub skip_rescale: bool,
    /// The nonlinearity.
    #[serde(default)]
    pub nonlinearity: Nonlinearity,
    /// Share of features dropped in training; nothing is dropped afterwards.
    #[serde(default)]
    pub dropout: f64,
    /// Spread of the random frequencies before training.
    #[serde(default = "sixteen")]
    pub fourier_scale: f64,
    /// Scale of the last layers before training.
    #[serde(default)]
    pub init_scale: f64,
    /// Side of the filters, always 3.
    #[serde(default = "three")]
    pub conv_size: usize,
}

/// Options of the original DDPM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DdpmConfig {
    /// Channels of the finest resolution.
    pub nf: usize,
    /// Channels of each resolution, as multiples of `nf`.
    pub ch_mult: Vec<usize>,
    /// Residual blocks of each resolution.
    pub num_res_blocks: usize,
    /// Widths at which blocks are followed by attention.
    pub attn_resolutions: Vec<usize>,
    /// In the file, and without effect: this network always knows the noise level.
    #[serde(default = "yes")]
    pub conditional: bool,
    /// In the file, and without effect: the embedding is positional.
    #[serde(default = "positional")]
    pub embedding_type: Embedding,
    /// Whether halving and doubling convolves.
    #[serde(default = "yes")]
    pub resamp_with_conv: bool,
    /// Whether the output is divided by the noise level.
    #[serde(default)]
    pub scale_by_sigma: bool,
    /// The nonlinearity.
    #[serde(default)]
    pub nonlinearity: Nonlinearity,
    /// Share of features dropped in training; nothing is dropped afterwards.
    #[serde(default)]
    pub dropout: f64,
}

/// Options of NCSN and NCSNv2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NcsnConfig {
    /// Channels of the finest resolution.
    #[serde(alias = "nf")]
    pub ngf: usize,
    /// How many noise levels there are.
    #[serde(alias = "num_scales")]
    pub num_classes: usize,
    /// The largest noise level.
    #[serde(alias = "sigma_max")]
    pub sigma_begin: f64,
    /// The smallest noise level.
    #[serde(alias = "sigma_min")]
    pub sigma_end: f64,
    /// How the levels are spaced.
    #[serde(default)]
    pub sigma_dist: Spacing,
    /// The nonlinearity.
    #[serde(default = "elu")]
    pub nonlinearity: Nonlinearity,
    /// Whether filters are divided by their largest singular value; not supported.
    #[serde(default)]
    pub spec_norm: bool,
}

/// How noise levels are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spacing {
    /// Constant ratio.
    #[default]
    Geometric,
    /// Constant difference.
    Uniform,
}

/// How a noise level becomes a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Embedding {
    /// Random Fourier features of `ln σ`; the label is σ.
    Fourier,
    /// Sines and cosines of the label.
    Positional,
}

/// A residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResidualKind {
    /// Resampling is a layer of its own.
    Ddpm,
    /// Blocks halve and double by themselves.
    Biggan,
}

/// What is gathered over the resolutions on the way up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressiveOutput {
    /// Nothing: the last features become the output.
    #[default]
    None,
    /// A sum of images.
    OutputSkip,
    /// A sum of features.
    Residual,
}

/// What is fed to the resolutions on the way down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressiveInput {
    /// Nothing but the features.
    #[default]
    None,
    /// The image, halved.
    InputSkip,
    /// Features made of the image, halved with a convolution.
    Residual,
}

/// How a fed image joins the features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combination {
    /// Added.
    #[default]
    Sum,
    /// Put in front of the channels.
    Cat,
}

fn yes() -> bool {
    true
}
fn binomial() -> Vec<f32> {
    vec![1.0, 3.0, 3.0, 1.0]
}
fn sixteen() -> f64 {
    16.0
}
fn three() -> usize {
    3
}
fn positional() -> Embedding {
    Embedding::Positional
}
fn elu() -> Nonlinearity {
    Nonlinearity::Elu
}
