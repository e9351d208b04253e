//! Why a model cannot be used.

use std::path::PathBuf;

/// Why a bundle cannot be used. Every message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Neither a model of the program nor a folder has this name.
    #[error("{name}: is not a model; give ct, mr or a bundle folder")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A model of the program whose weights are not in this build.
    #[error(
        "{name}: the weights were left out of this build; give a bundle folder, or build with the feature weights"
    )]
    LeftOut {
        /// The name.
        name: String,
    },
    /// A network that is told what was measured, where one that knows images alone is needed.
    #[error(
        "{path}: is a conditional prior; use it with --method conditional, or give an unconditional prior"
    )]
    Conditional {
        /// The bundle.
        path: PathBuf,
    },
    /// The other way round.
    #[error("{path}: is an unconditional prior; give a conditional one, whose card has a table [family]")]
    Unconditional {
        /// The bundle.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{path}: {source}; give a bundle folder with manifest.toml and weights.safetensors")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("{path}: cannot be written ({source}); check the folder, its permissions and the free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The card does not parse or contradicts itself.
    #[error("{path}: {detail}; correct the model card")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The tensors are not those of the card.
    #[error("{path}: {detail}; fetch or train the bundle again")]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A published checkpoint cannot be used.
    #[error("{path}: {detail}; give a PyTorch, Flax or safetensors checkpoint of this network")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The network cannot be built.
    #[error("{path}: cannot build the network: {source}")]
    Network {
        /// The file.
        path: PathBuf,
        /// What candle said.
        source: candle_core::Error,
    },
}
