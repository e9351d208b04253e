//! Networks and the bundles that they are kept in. No sampling here.
//!
//! A bundle is a folder with `manifest.toml` (the model card) and `weights.safetensors`. The folder
//! `coarse` in it may hold a second bundle, of a network that knows whole images on a coarse grid.

mod bundle;
mod card;
mod checkpoint;
mod conditional;
mod copy;
mod dequantizer;
mod embedding;
mod error;
mod family;
mod head;
mod layers;
mod manifest;
mod open;
mod parameter;
mod prior;
mod published;
mod second_order;
mod source;
mod tuned;
mod unet;
mod value_mapping;

pub(crate) use bundle::replace;
pub use bundle::{read_bundle, read_source, write_bundle};
pub(crate) use checkpoint::upstream_levels;
pub use checkpoint::{Checkpoint, Element, Format, StoredTensor, Weights};
pub use conditional::ConditionalPrior;
pub use copy::{copy_bundle, read_card};
pub use dequantizer::{Dequantizer, Placed};
pub use error::ModelError;
pub use family::Family;
pub use head::{Head, HeadBody, HeadConfig, LastLayer};
pub use manifest::{
    Architecture, Collection, Dtype, FilmUnet, Manifest, Training, Typical, UnetConfig, WeightsCard,
};
pub use open::{open, open_conditional, verified_card};
pub use parameter::Parameter;
pub(crate) use prior::Preconditioning;
pub use prior::Prior;
pub use published::{
    ArchFile, BetaConfig, Combination, Conditioning, DataConfig, DdpmConfig, Embedding, ImageSize,
    NcsnConfig, NcsnppConfig, NetworkConfig, Nonlinearity, ProgressiveInput, ProgressiveOutput, ResidualKind,
    ScoreNetwork, SdeConfig, Spacing,
};
pub use recon_data::Modality;
pub use second_order::{SecondOrderConfig, SecondOrderModel};
pub use source::ModelSource;
pub use tuned::{Found, Tuned, TunedMethod};
pub use unet::Unet;
pub use value_mapping::{Shown, ValueMapping};
