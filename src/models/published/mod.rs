//! Published score networks, exact to their public checkpoints: NCSN++, DDPM++, DDPM, NCSN and NCSNv2.
//!
//! Parameters keep upstream's names without the leading `module.`, and are listed in upstream's order.

mod arch_file;
mod attention;
mod conditioning;
mod config;
mod ddpm;
mod embedding;
mod instance_norm;
mod layers;
mod limits;
mod ncsn;
mod ncsnpp;
mod refine;
mod resample;
mod residual;
mod scope;
mod trunk;

use super::Parameter;
use super::prior::pad_edge;
use candle_core::{Result, Tensor, bail};
use ncsn::Variant;

pub use arch_file::{ArchFile, BetaConfig, DataConfig, ImageSize, SdeConfig};
pub use conditioning::Conditioning;
pub use config::{
    Combination, DdpmConfig, Embedding, NcsnConfig, NcsnppConfig, NetworkConfig, ProgressiveInput,
    ProgressiveOutput, ResidualKind, Spacing,
};
pub use layers::Nonlinearity;

/// A published network over its parameters: `x, label ↦ y`.
///
/// The same code runs for inference and, over variables, for training; dropout is never applied.
pub struct ScoreNetwork {
    kind: Kind,
    channels: usize,
    centered: bool,
    multiple: usize,
}

enum Kind {
    Ncsnpp(ncsnpp::Ncsnpp),
    Ddpm(ddpm::Ddpm),
    Ncsn(ncsn::Ncsn),
}

impl ScoreNetwork {
    /// The network that `arch` describes, over the parameters that `get` finds by name
    /// ([`ArchFile::parameters`] lists them).
    ///
    /// # Errors
    /// Those of `get`, and when a tensor has another shape.
    pub fn new(arch: &ArchFile, get: &dyn Fn(&str) -> Result<Tensor>) -> Result<Self> {
        Ok(Self {
            kind: scope::load(|scope| Kind::new(scope, arch), get)?,
            channels: arch.data.num_channels,
            centered: arch.data.is_centered(),
            multiple: arch.multiple(),
        })
    }

    /// The raw output at the upstream conditioning value: σ for Fourier embeddings, 999 t or a step for
    /// positional ones, an index (0 is the largest noise level) for NCSN and NCSNv2.
    ///
    /// `x` is `[batch, channel, row, col]` in the value range of the data as the configuration describes it,
    /// `labels` is `[batch]`. Sizes that cannot be halved often enough are padded by repeating the edge, and
    /// the output is cropped.
    ///
    /// # Errors
    /// When `x` has another number of channels, a label names no noise level, or a tensor operation fails.
    pub fn forward(&self, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let (batch, channels, rows, cols) = x.dims4()?;
        if channels != self.channels {
            bail!("the network takes images of {} channels, not {channels}", self.channels);
        }
        if labels.dims() != [batch] {
            bail!("{batch} images need {batch} labels, not {:?}", labels.dims());
        }
        let mut h = pad_edge(x, self.multiple)?;
        if !self.centered {
            h = h.affine(2.0, -1.0)?;
        }
        let y = match &self.kind {
            Kind::Ncsnpp(network) => network.forward(&h, labels)?,
            Kind::Ddpm(network) => network.forward(&h, labels)?,
            Kind::Ncsn(network) => network.forward(&h, labels)?,
        };
        y.narrow(2, 0, rows)?.narrow(3, 0, cols)?.contiguous()
    }
}

impl Kind {
    fn new(scope: &scope::Scope<'_>, arch: &ArchFile) -> Result<Self> {
        let (channels, width) = (arch.data.num_channels, arch.data.image_size.cols());
        let scales = arch.scales();
        let ncsn = |config, variant| Ok(Self::Ncsn(ncsn::Ncsn::new(scope, config, variant, channels)?));
        match &arch.network {
            NetworkConfig::Ncsnpp(config) => {
                Ok(Self::Ncsnpp(ncsnpp::Ncsnpp::new(scope, config, channels, width, scales)?))
            }
            NetworkConfig::Ddpm(config) => {
                Ok(Self::Ddpm(ddpm::Ddpm::new(scope, config, channels, width, scales)?))
            }
            NetworkConfig::Ncsn(config) => ncsn(config, Variant::First),
            NetworkConfig::Ncsnv2(config) => ncsn(config, Variant::Second),
            NetworkConfig::Ncsnv2Deeper(config) => ncsn(config, Variant::Deeper),
            NetworkConfig::Ncsnv2Deepest(config) => ncsn(config, Variant::Deepest),
        }
    }
}

impl NetworkConfig {
    /// Rows and columns inside the network are a multiple of this.
    fn multiple(&self) -> usize {
        match self {
            Self::Ncsnpp(config) => 1 << (config.ch_mult.len() - 1),
            Self::Ddpm(config) => 1 << (config.ch_mult.len() - 1),
            Self::Ncsn(_) => Variant::First.multiple(),
            Self::Ncsnv2(_) => Variant::Second.multiple(),
            Self::Ncsnv2Deeper(_) => Variant::Deeper.multiple(),
            Self::Ncsnv2Deepest(_) => Variant::Deepest.multiple(),
        }
    }
}

impl ArchFile {
    /// Every tensor of the network, in upstream's order: buffers first, then as upstream registers them.
    pub fn parameters(&self) -> Vec<Parameter> {
        // A description that parsed has been listed before, without an error.
        self.list().unwrap_or_default()
    }

    fn list(&self) -> Result<Vec<Parameter>> {
        scope::list(|scope| Kind::new(scope, self))
    }

    /// Rows and columns of images are padded to a multiple of this.
    pub fn multiple(&self) -> usize {
        self.network.multiple()
    }
}
