//! What is written of a case, and where.

use crate::Refused;
use recon_data::{DataError, Deidentifier, Format};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The outputs that are asked for; the sidecar and the maps of an image stand beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outputs {
    /// The image; the extension chooses the kind.
    #[serde(serialize_with = "crate::paths::one")]
    pub image: PathBuf,
    /// A picture of truth, baseline, result and error, `.png`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub preview: Option<PathBuf>,
    /// The mask of MRI, `.npy`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub mask: Option<PathBuf>,
    /// Secret key, a file of at least 32 bytes, with which DICOM is written without what names the patient.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub deidentify: Option<PathBuf>,
    /// Whether the 5 % and the 95 % quantile of several samples are written.
    #[serde(default, skip_serializing_if = "is_false")]
    pub quantiles: bool,
    /// Whether the part of the image is written that the measurement does not see.
    #[serde(default, skip_serializing_if = "is_false")]
    pub null_space: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the serialiser passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Outputs {
    /// An image alone.
    pub fn image(path: impl Into<PathBuf>) -> Self {
        Self {
            image: path.into(),
            preview: None,
            mask: None,
            deidentify: None,
            quantiles: false,
            null_space: false,
        }
    }

    /// Every path in it, to be changed.
    pub fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let optional = [&mut self.preview, &mut self.mask, &mut self.deidentify];
        std::iter::once(&mut self.image).chain(optional.into_iter().flatten()).collect()
    }

    /// What takes the patient's name out of what is written, where that is asked for.
    ///
    /// # Errors
    /// When the key cannot be read, or is not one.
    pub fn deidentifier(&self) -> Result<Option<Deidentifier>, DataError> {
        self.deidentify.as_deref().map(Deidentifier::from_key_file).transpose()
    }

    /// Refuses what would have no effect.
    ///
    /// # Errors
    /// [`Refused::Usage`]
    pub(super) fn check(&self) -> Result<(), Refused> {
        if self.deidentify.is_some() && Format::of_path(&self.image) != Some(Format::Dicom) {
            let message = "--deidentify: has no effect on an output that is not DICOM; name it .dcm, or leave the option out";
            return Err(Refused::Usage(message.to_owned()));
        }
        Ok(())
    }
}
