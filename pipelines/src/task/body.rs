//! CT images and what a scanner sees of them.

use super::check::image;
use super::{Images, Remarks};
use crate::{FilterName, Refused, UnitName};
use anyhow::Result;
use ndarray::Array2;
use recon_data::{SURELY_HOUNSFIELD, Unit, hounsfield_to_attenuation};
use recon_operators::{ParallelBeam, Radon};
use std::path::Path;

/// CT images in a unit that is decided, and their attenuation.
pub struct Body {
    images: Images,
}

impl Body {
    /// As [`Body::new`], but images that cannot be CT are refused, and what is odd about them is added to `remarks`.
    ///
    /// # Errors
    /// When the file says that it is something else, or nothing is left above air.
    pub fn checked(
        images: Images,
        told: Option<UnitName>,
        path: &Path,
        remarks: &mut Remarks,
    ) -> Result<Self, Refused> {
        image::check_ct(&images, told, path)?;
        let body = Self::new(images, told);
        image::check_range(&body.images, path)?;
        remarks.warnings.extend(image::ct(&body.images));
        if told.is_none() && body.unit() == Unit::Arbitrary {
            remarks.note("values are projected as they are; say --unit hu for Hounsfield units");
        }
        Ok(body)
    }

    /// Takes images for CT in the unit that was `told`, else in that of the file, else by their smallest value.
    pub fn new(images: Images, told: Option<UnitName>) -> Self {
        let unit = Self::unit_of(&images, told);
        Self { images: images.in_unit(unit) }
    }

    /// The unit of such images: the one that was `told`, else that of the file, else as their smallest value has it.
    pub(super) fn unit_of(images: &Images, told: Option<UnitName>) -> Unit {
        match (told, images.unit()) {
            (Some(unit), _) => unit.into(),
            (None, Unit::Arbitrary) if images.range().0 < SURELY_HOUNSFIELD => Unit::Hounsfield,
            (None, unit) => unit,
        }
    }

    /// The images in their own unit.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// The images, in the unit that was decided.
    pub fn into_images(self) -> Images {
        self.images
    }

    /// What their numbers mean.
    pub fn unit(&self) -> Unit {
        self.images.unit()
    }

    /// The attenuation of slice `k` in 1/mm; the numbers themselves where the unit is not Hounsfield.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn attenuation(&self, k: usize) -> Result<Array2<f32>> {
        let image = self.images.slice(k)?;
        Ok(match self.unit() {
            Unit::Hounsfield => image.mapv_into(hounsfield_to_attenuation),
            Unit::Attenuation | Unit::Arbitrary => image,
        })
    }

    /// Refuses what needs to know how many photons come through.
    ///
    /// # Errors
    /// When the numbers of the image have no unit.
    pub fn check_attenuation(&self, option: &str) -> Result<(), Refused> {
        match self.unit() {
            Unit::Arbitrary => Err(Refused::Usage(format!(
                "{option}: counts need attenuation; say with --unit what the numbers of the image mean"
            ))),
            Unit::Hounsfield | Unit::Attenuation => Ok(()),
        }
    }

    /// A scanner that takes `views` of these images, equally spaced over half a turn.
    ///
    /// # Errors
    /// When the geometry makes no sense, such as without pixels.
    pub fn scanner(
        &self,
        views: usize,
        detectors: Option<usize>,
        spacing: f32,
        filter: FilterName,
    ) -> Result<Radon> {
        let [_, rows, cols] = self.images.shape();
        let equally = ParallelBeam::equally_spaced(rows, cols, spacing, views);
        let geometry = match detectors {
            None => equally,
            Some(_) => ParallelBeam::with_angles(rows, cols, spacing, equally.angles, detectors),
        };
        Ok(Radon::new(geometry, filter.into())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use recon_data::{Geometry, Source, Volume};

    #[test]
    fn only_values_that_cannot_be_attenuation_make_hounsfield_units() {
        let unit = |low: f32, unit, told| {
            let voxels = Array3::from_elem((1, 2, 2), low);
            let volume = Volume { voxels, geometry: Geometry::default(), unit };
            Body::new(Images::held(volume, Source::Npy), told).unit()
        };
        assert_eq!(unit(-1000.0, Unit::Arbitrary, None), Unit::Hounsfield);
        assert_eq!(unit(-5.0, Unit::Arbitrary, None), Unit::Arbitrary);
        assert_eq!(unit(0.0, Unit::Hounsfield, None), Unit::Hounsfield);
        assert_eq!(unit(-1000.0, Unit::Arbitrary, Some(UnitName::Attenuation)), Unit::Attenuation);
    }
}
