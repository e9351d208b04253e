//! What a result is compared with.

use super::arrays::wrong_shape;
use super::{Images, SliceRange};
use anyhow::Result;
use ndarray::Array2;
use recon_data::{Selection, Unit};
use std::path::Path;

/// The image that a result should be, where one is known.
pub enum Truth {
    /// Nobody knows.
    Unknown,
    /// The image that was measured.
    Measured,
    /// Another file.
    File(Box<Images>),
}

impl Truth {
    /// The file that was named, whose numbers are taken for `unit`; else the image itself if it is `measured`.
    ///
    /// # Errors
    /// When the file cannot be read or has another shape than the result.
    pub(super) fn new(
        named: Option<&Path>,
        measured: bool,
        unit: Unit,
        shape: [usize; 3],
        slices: Option<SliceRange>,
    ) -> Result<Self> {
        let Some(path) = named else {
            return Ok(if measured { Self::Measured } else { Self::Unknown });
        };
        let (whole, _) = Images::open(path, None, Selection::default())?;
        let images = if whole.shape() != shape && slices.is_some() {
            Images::open(path, slices, Selection::default())?.0
        } else {
            whole
        };
        if images.shape() != shape {
            return Err(wrong_shape(path, &images.shape(), &format!("a reference of {shape:?}")));
        }
        Ok(Self::File(Box::new(images.in_unit(unit))))
    }

    /// The truth of slice `k`, when the measured images are these.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn slice(&self, k: usize, measured: Option<&Images>) -> Result<Option<Array2<f32>>> {
        match (self, measured) {
            (Self::File(images), _) => images.slice(k).map(Some),
            (Self::Measured, Some(images)) => images.slice(k).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether there is one.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }
}
