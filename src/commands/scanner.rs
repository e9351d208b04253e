//! The CT scanner of a command: its options, and the operator that they amount to.

use super::context::Context;
use super::failure::Failure;
use super::load;
use super::values::{FilterName, UnitName, count, positive};
use anyhow::Result;
use clap::Args;
use recon_data::hounsfield_to_attenuation;
use recon_data::{Scan, Unit, Volume};
use recon_operators::{ParallelBeam, Radon};
use serde::Serialize;
use std::path::Path;

/// Options of the scanner that are the same for measured and simulated data.
#[derive(Args, Clone, Debug, Serialize)]
pub struct ScannerOptions {
    /// Filter of the back-projection.
    #[arg(long, value_enum, default_value_t = FilterName::Ramp, help_heading = "Scanner")]
    pub filter: FilterName,
    /// Side of a pixel and of a detector bin in mm, for .npy arrays (default: 1).
    #[arg(long, value_name = "MM", value_parser = positive, help_heading = "Scanner")]
    pub spacing: Option<f64>,
    /// What the numbers of an image mean (default: hu for CT files and where values lie below -200).
    #[arg(long, value_enum, help_heading = "Input")]
    pub unit: Option<UnitName>,
}

/// Options of a simulated scanner.
#[derive(Args, Clone, Debug, Serialize)]
pub struct ViewOptions {
    /// Number of detector bins (default: the image diagonal).
    #[arg(long, value_name = "D", value_parser = count, help_heading = "Scanner")]
    pub detectors: Option<usize>,
}

/// Below this a value cannot be an attenuation, so the image must be in Hounsfield units.
const SURELY_HOUNSFIELD: f32 = -200.0;

/// The unit of a CT image: what the user says, else what the file says, else by its smallest value.
pub fn unit(volume: &Volume, told: Option<UnitName>) -> Unit {
    let lowest = volume.voxels.iter().copied().fold(f32::INFINITY, f32::min);
    match (told, volume.unit) {
        (Some(unit), _) => unit.into(),
        (None, Unit::Arbitrary) if lowest < SURELY_HOUNSFIELD => Unit::Hounsfield,
        (None, unit) => unit,
    }
}

/// A CT image and the attenuation that a scanner would see.
pub struct Body {
    /// As it was read, in its own unit.
    pub image: Volume,
    /// In 1/mm; the numbers themselves where the unit is not Hounsfield.
    pub attenuation: Volume,
}

impl Body {
    /// Takes a scan for a CT image in the unit that `told` or [`unit()`] says.
    pub fn new(scan: &Scan, told: Option<UnitName>, path: &Path, context: &Context) -> Self {
        let mut image = scan.volume.clone();
        image.unit = unit(&image, told);
        context.detail(&format!("{}: taken as {:?}", path.display(), image.unit));
        if told.is_none() && image.unit == Unit::Arbitrary {
            let hint = "values are projected as they are; say --unit hu for Hounsfield units";
            context.say(&format!("{}: {hint}", path.display()));
        }
        let mut attenuation = image.clone();
        if image.unit == Unit::Hounsfield {
            attenuation.voxels.mapv_inplace(hounsfield_to_attenuation);
            attenuation.unit = Unit::Attenuation;
        }
        Self { image, attenuation }
    }

    /// Refuses an option that needs to know how many photons come through.
    ///
    /// # Errors
    /// When the numbers of the image have no unit.
    pub fn check_attenuation(&self, option: &str) -> Result<(), Failure> {
        match self.image.unit {
            Unit::Arbitrary => Err(Failure::Usage(format!(
                "{option}: counts need attenuation; say with --unit what the numbers of the image mean"
            ))),
            Unit::Hounsfield | Unit::Attenuation => Ok(()),
        }
    }

    /// A scanner that takes `views` of these images.
    ///
    /// # Errors
    /// When the geometry makes no sense, such as without pixels.
    pub fn scanner(
        &self,
        views: usize,
        spacing: f32,
        view: &ViewOptions,
        filter: FilterName,
    ) -> Result<Radon> {
        let [_, rows, cols] = *self.image.voxels.shape() else { unreachable!("a volume has three axes") };
        let equally = ParallelBeam::equally_spaced(rows, cols, spacing, views);
        let geometry = match view.detectors {
            None => equally,
            Some(_) => ParallelBeam::with_angles(rows, cols, spacing, equally.angles, view.detectors),
        };
        Ok(Radon::new(geometry, filter.into())?)
    }
}

/// Angles in radians from a `.npy` file in degrees.
///
/// # Errors
/// When it cannot be read or does not hold `views` finite numbers.
pub fn angles(path: &Path, views: usize) -> Result<Vec<f64>> {
    let degrees = recon_data::npy::read_f64(path)?;
    if degrees.len() != views {
        let wanted = format!("as many angles as the sinogram has views, {views}");
        return Err(load::wrong_shape(path, degrees.shape(), &wanted));
    }
    if !degrees.iter().all(|angle| angle.is_finite()) {
        return Err(Failure::Input(format!(
            "{}: holds angles that are not finite; correct them",
            path.display()
        ))
        .into());
    }
    Ok(degrees.iter().map(|angle| angle.to_radians()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use recon_data::Geometry;

    #[test]
    fn only_values_that_cannot_be_attenuation_make_hounsfield_units() {
        let volume = |low: f32, unit| Volume {
            voxels: Array3::from_elem((1, 2, 2), low),
            geometry: Geometry::default(),
            unit,
        };
        assert_eq!(unit(&volume(-1000.0, Unit::Arbitrary), None), Unit::Hounsfield);
        assert_eq!(unit(&volume(-5.0, Unit::Arbitrary), None), Unit::Arbitrary);
        assert_eq!(unit(&volume(0.0, Unit::Hounsfield), None), Unit::Hounsfield);
        assert_eq!(unit(&volume(-1000.0, Unit::Arbitrary), Some(UnitName::Attenuation)), Unit::Attenuation);
    }
}
