//! Where priors come from.

use recon_data::Modality;
use recon_data::weights::{self, BuiltinWeights};
use std::path::PathBuf;

/// The model card's file name.
pub(super) const MANIFEST: &str = "manifest.toml";
/// The folder of the coarse model in a bundle's.
pub(super) const COARSE: &str = "coarse";

/// Where a prior comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// The one that ships with the program.
    Builtin(Modality),
    /// The coarse model beside it.
    BuiltinCoarse(Modality),
    /// A bundle folder.
    Path(PathBuf),
}

impl ModelSource {
    /// What messages call it.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Builtin(Modality::Ct) => PathBuf::from("built-in ct"),
            Self::Builtin(Modality::Mr) => PathBuf::from("built-in mr"),
            Self::BuiltinCoarse(Modality::Ct) => PathBuf::from("built-in ct/coarse"),
            Self::BuiltinCoarse(Modality::Mr) => PathBuf::from("built-in mr/coarse"),
            Self::Path(folder) => folder.clone(),
        }
    }

    /// The bytes, of those that ship with the program.
    pub(super) fn builtin(&self) -> Option<BuiltinWeights> {
        match self {
            Self::Builtin(Modality::Ct) => Some(weights::CT),
            Self::Builtin(Modality::Mr) => Some(weights::MR),
            Self::BuiltinCoarse(Modality::Ct) => Some(weights::CT_COARSE),
            Self::BuiltinCoarse(Modality::Mr) => Some(weights::MR_COARSE),
            Self::Path(_) => None,
        }
    }

    /// The coarse model that belongs to this one: the bundle in its folder `coarse`, if there is one.
    pub fn coarse(&self) -> Option<Self> {
        match self {
            Self::Builtin(modality) => Some(Self::BuiltinCoarse(*modality)),
            Self::BuiltinCoarse(_) => None,
            Self::Path(folder) => {
                let coarse = folder.join(COARSE);
                coarse.join(MANIFEST).exists().then_some(Self::Path(coarse))
            }
        }
    }
}
