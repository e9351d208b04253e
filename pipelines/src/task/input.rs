//! What a case starts from.

use super::{ImageSize, SliceRange};
use crate::{PhaseAxisName, UnitName};
use recon_data::Selection;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// An image, whose measurement is simulated, or measured data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Input {
    /// An image; its measurement is simulated.
    Image(ImageInput),
    /// Measured line integrals of CT.
    Sinogram(SinogramInput),
    /// Measured k-space of MRI, of a single coil.
    Kspace(KspaceInput),
    /// Raw k-space of MRI as scanners and laboratories give it, of any number of coils.
    Raw(KspaceInput),
}

/// An image of any format that can be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// File or folder.
    #[serde(serialize_with = "crate::paths::one")]
    pub path: PathBuf,
    /// The series of this name, in a folder with several: the first twelve digits of the SHA-256 of its UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Only these slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<SliceRange>,
    /// What the numbers mean, where the file does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitName>,
    /// Side of a pixel in mm, for arrays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<f64>,
    /// What stands for values that are not a number; they are refused without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nan_to: Option<f32>,
    /// An image to compare the result with, instead of the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub reference: Option<PathBuf>,
}

/// Line integrals, `.npy` (angle, detector) or (slice, angle, detector).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinogramInput {
    /// The array.
    #[serde(serialize_with = "crate::paths::one")]
    pub path: PathBuf,
    /// Angles in degrees, `.npy`; equally spaced over half a turn without it.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub angles: Option<PathBuf>,
    /// Which rays to use, `.npy`; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub mask: Option<PathBuf>,
    /// Size of the image to reconstruct.
    pub size: ImageSize,
    /// Only these slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<SliceRange>,
    /// What the numbers of the image are to mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitName>,
    /// Side of a pixel in mm; 1 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spacing: Option<f64>,
    /// Width of a detector bin in mm; the side of a pixel without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector_spacing: Option<f64>,
    /// The bin, and part of one, that the axis of rotation falls on; the middle without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center: Option<f64>,
    /// An image to compare the result with.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub reference: Option<PathBuf>,
}

/// k-space, centred: of a single coil, `.npy` (row, col) or (slice, row, col); raw, a file of
/// [`RawKspace`](recon_data::raw::RawKspace).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KspaceInput {
    /// The file.
    #[serde(serialize_with = "crate::paths::one")]
    pub path: PathBuf,
    /// What was measured, `.npy`; what is not zero without it.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub mask: Option<PathBuf>,
    /// The image axis that a mask with one flag a line leaves lines out of; columns without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase_axis: Option<PhaseAxisName>,
    /// Only these slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<SliceRange>,
    /// An image to compare the result with.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "crate::paths::optional")]
    pub reference: Option<PathBuf>,
}

impl ImageInput {
    /// What is taken of the file or folder, and how.
    pub fn selection(&self) -> Selection<'_> {
        Selection { series: self.series.as_deref(), nan_to: self.nan_to }
    }
}

impl Input {
    /// All slices of an image, in the unit that its file names.
    pub fn image(path: impl Into<PathBuf>) -> Self {
        Self::Image(ImageInput {
            path: path.into(),
            series: None,
            slices: None,
            unit: None,
            spacing: None,
            nan_to: None,
            reference: None,
        })
    }

    /// The file or folder that the case is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Image(input) => &input.path,
            Self::Sinogram(input) => &input.path,
            Self::Kspace(input) | Self::Raw(input) => &input.path,
        }
    }

    /// Every file that decides the result, that of [`Input::path`] first.
    pub fn files(&self) -> Vec<&Path> {
        let others: Vec<&Option<PathBuf>> = match self {
            Self::Image(_) => Vec::new(),
            Self::Sinogram(input) => vec![&input.angles, &input.mask],
            Self::Kspace(input) | Self::Raw(input) => vec![&input.mask],
        };
        std::iter::once(self.path()).chain(others.into_iter().flatten().map(PathBuf::as_path)).collect()
    }

    /// The series that was asked for.
    pub fn series(&self) -> Option<&str> {
        if let Self::Image(input) = self { input.series.as_deref() } else { None }
    }

    /// The slices that were asked for.
    pub fn slices(&self) -> Option<SliceRange> {
        match self {
            Self::Image(input) => input.slices,
            Self::Sinogram(input) => input.slices,
            Self::Kspace(input) | Self::Raw(input) => input.slices,
        }
    }

    /// The image to compare with that was named.
    pub fn reference(&self) -> Option<&Path> {
        match self {
            Self::Image(input) => input.reference.as_deref(),
            Self::Sinogram(input) => input.reference.as_deref(),
            Self::Kspace(input) | Self::Raw(input) => input.reference.as_deref(),
        }
    }

    /// Every path in it, to be changed.
    pub fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let (path, others) = match self {
            Self::Image(input) => (&mut input.path, vec![&mut input.reference]),
            Self::Sinogram(input) => {
                (&mut input.path, vec![&mut input.angles, &mut input.mask, &mut input.reference])
            }
            Self::Kspace(input) | Self::Raw(input) => {
                (&mut input.path, vec![&mut input.mask, &mut input.reference])
            }
        };
        std::iter::once(path).chain(others.into_iter().flatten()).collect()
    }
}
