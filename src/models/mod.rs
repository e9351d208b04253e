//! Networks and the bundles that they are kept in. No sampling here.
//!
//! A bundle is a folder with `manifest.toml` (the model card) and `weights.safetensors`.

mod bundle;
mod embedding;
mod layers;
mod manifest;
mod prior;
mod unet;

pub use bundle::{ModelError, ModelSource, open, read_bundle, write_bundle};
pub use manifest::{
    Architecture, Collection, Dtype, Manifest, Modality, Training, UnetConfig, ValueMapping, WeightsCard,
};
pub use prior::Prior;
pub use unet::Unet;
