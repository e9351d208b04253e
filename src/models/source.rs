//! Where priors come from.

use super::ModelError;
use recon_data::Modality;
use recon_data::weights::{self, BuiltinWeights};
use std::path::{Path, PathBuf};

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
    /// The conditional one for measurements of such images.
    BuiltinConditional(Modality),
    /// A bundle folder.
    Path(PathBuf),
}

impl ModelSource {
    /// The model of this name: `ct` and `mr` ship with the program, so do their coarse models (`ct/coarse`) and conditional
    /// ones (`ct/conditional`); anything else is a bundle folder.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] when there is no such folder.
    pub fn named(name: &str) -> Result<Self, ModelError> {
        match name {
            "ct" => Ok(Self::Builtin(Modality::Ct)),
            "mr" => Ok(Self::Builtin(Modality::Mr)),
            "ct/coarse" => Ok(Self::BuiltinCoarse(Modality::Ct)),
            "mr/coarse" => Ok(Self::BuiltinCoarse(Modality::Mr)),
            "ct/conditional" => Ok(Self::BuiltinConditional(Modality::Ct)),
            "mr/conditional" => Ok(Self::BuiltinConditional(Modality::Mr)),
            folder if Path::new(folder).exists() => Ok(Self::Path(PathBuf::from(folder))),
            _ => Err(ModelError::Unknown { name: name.to_owned() }),
        }
    }

    /// The names of all that ship with the program.
    pub const fn shipped() -> [&'static str; 6] {
        ["ct", "mr", "ct/coarse", "mr/coarse", "ct/conditional", "mr/conditional"]
    }

    /// What messages call it.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Builtin(Modality::Ct) => PathBuf::from("built-in ct"),
            Self::Builtin(Modality::Mr) => PathBuf::from("built-in mr"),
            Self::BuiltinCoarse(Modality::Ct) => PathBuf::from("built-in ct/coarse"),
            Self::BuiltinCoarse(Modality::Mr) => PathBuf::from("built-in mr/coarse"),
            Self::BuiltinConditional(Modality::Ct) => PathBuf::from("built-in ct/conditional"),
            Self::BuiltinConditional(Modality::Mr) => PathBuf::from("built-in mr/conditional"),
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
            Self::BuiltinConditional(Modality::Ct) => Some(weights::CT_CONDITIONAL),
            Self::BuiltinConditional(Modality::Mr) => Some(weights::MR_CONDITIONAL),
            Self::Path(_) => None,
        }
    }

    /// The coarse model that belongs to this one: the bundle in its folder `coarse`, if there is one.
    pub fn coarse(&self) -> Option<Self> {
        match self {
            Self::Builtin(modality) => Some(Self::BuiltinCoarse(*modality)),
            Self::BuiltinCoarse(_) | Self::BuiltinConditional(_) => None,
            Self::Path(folder) => {
                let coarse = folder.join(COARSE);
                coarse.join(MANIFEST).exists().then_some(Self::Path(coarse))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_a_name_or_a_folder() {
        assert_eq!(ModelSource::named("ct").ok(), Some(ModelSource::Builtin(Modality::Ct)));
        assert_eq!(ModelSource::named("mr/coarse").ok(), Some(ModelSource::BuiltinCoarse(Modality::Mr)));
        for name in ModelSource::shipped() {
            assert!(ModelSource::named(name).is_ok_and(|source| source.builtin().is_some()), "{name}");
        }
        let error = ModelSource::named("no-such-model").expect_err("there is none");
        assert!(error.to_string().starts_with("no-such-model: is not a model; give ct, mr or "), "{error}");
    }
}
