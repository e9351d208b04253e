//! Images that are said, or thought, to be CT or MR.

use crate::task::Images;
use crate::{Refused, UnitName};
use recon_data::{AIR_HOUNSFIELD, Modality, Source, Unit};
use std::path::Path;

/// Every scan has air, or at least fat or lung, below this.
const DARKEST: f32 = -50.0;
/// Larger Hounsfield numbers are no material that is scanned; metal on an extended scale has some ten thousand.
const BRIGHTEST: f32 = 100_000.0;
/// Slices that are this many times longer than wide have probably been cut along another axis.
const NARROW: usize = 4;

/// Refuses images for CT that cannot be CT.
///
/// # Errors
/// Says why, and what is their command.
pub(in crate::task) fn check_ct(images: &Images, told: Option<UnitName>, path: &Path) -> Result<(), Refused> {
    let path = path.display();
    if images.modality() == Some(Modality::Mr) {
        return Err(Refused::Input(format!("{path}: is an MR image; use recon mri")));
    }
    let other =
        told.map(Unit::from).filter(|&unit| unit != images.unit() && images.unit() != Unit::Arbitrary);
    if other.is_some() && matches!(images.source(), Source::Dicom(_)) {
        return Err(Refused::Usage(format!(
            "--unit: {path} is already in Hounsfield units; leave the option out"
        )));
    }
    Ok(())
}

/// Refuses Hounsfield units of which nothing is left above air.
///
/// # Errors
/// Names the range.
pub(in crate::task) fn check_range(images: &Images, path: &Path) -> Result<(), Refused> {
    let (low, high) = images.range();
    if images.unit() != Unit::Hounsfield || high > AIR_HOUNSFIELD {
        return Ok(());
    }
    Err(Refused::Input(format!(
        "{}: all values lie between {low} and {high} Hounsfield units, below air ({AIR_HOUNSFIELD}); correct the offset",
        path.display()
    )))
}

/// What is odd about images for CT, in the unit that was decided.
pub(in crate::task) fn ct(images: &Images) -> Vec<String> {
    let (low, high) = images.range();
    let mut warnings = layout(images);
    if images.unit() == Unit::Hounsfield && low > DARKEST {
        warnings.push(format!(
            "no value lies below {low}, so these are hardly Hounsfield units (a windowed export?); air is {AIR_HOUNSFIELD}"
        ));
    }
    if images.unit() == Unit::Hounsfield && (high > BRIGHTEST || low < -BRIGHTEST) {
        warnings.push(format!(
            "values from {low} to {high} are hardly Hounsfield units; check the rescale slope"
        ));
    }
    warnings
}

/// What is odd about images for MRI.
pub(in crate::task) fn mr(images: &Images) -> Vec<String> {
    let mut warnings = layout(images);
    if images.modality() == Some(Modality::Ct) {
        warnings.push("is a CT image; use recon ct".to_owned());
    }
    if images.range().0 < 0.0 {
        warnings.push(
            "has negative values, which MR magnitudes never have: zero-filled gives magnitudes, and the priors know \
             nothing else"
                .to_owned(),
        );
    }
    warnings
}

/// Arrays whose slices lie along another axis than the first.
pub(in crate::task) fn layout(images: &Images) -> Vec<String> {
    let [slices, rows, cols] = images.shape();
    let odd = rows >= NARROW * cols && slices.abs_diff(rows) * 8 <= rows;
    if !matches!(images.source(), Source::Npy) || !odd {
        return Vec::new();
    }
    vec![format!(
        "{slices} slices of {rows} x {cols} pixels are an odd shape; give [slice, row, column] (transpose an array of [row, \
         column, slice])"
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use recon_data::{Geometry, Volume};

    fn images(shape: (usize, usize, usize), low: f32, high: f32, unit: Unit) -> Images {
        let mut voxels = Array3::from_elem(shape, low);
        voxels[[0, 0, 0]] = high;
        Images::held(Volume { voxels, geometry: Geometry::default(), unit }, Source::Npy)
    }

    #[test]
    fn what_is_hardly_ct_is_said() {
        let words = |low, high| ct(&images((1, 32, 32), low, high, Unit::Hounsfield)).join(" ");
        assert_eq!(words(-1000.0, 1500.0), "");
        assert_eq!(words(-1000.0, 30_000.0), "");
        assert!(words(0.0, 255.0).contains("windowed"));
        assert!(words(-1e6, 1e6).contains("rescale"));
        let below = images((1, 4, 4), -4000.0, -2200.0, Unit::Hounsfield);
        assert!(check_range(&below, Path::new("x")).is_err());
        assert!(check_range(&images((1, 4, 4), -1000.0, 40.0, Unit::Hounsfield), Path::new("x")).is_ok());
    }

    #[test]
    fn slices_along_the_last_axis_and_negative_magnitudes_are_said() {
        let words = |shape, low| mr(&images(shape, low, 1.0, Unit::Arbitrary)).join(" ");
        assert_eq!(words((5, 32, 32), 0.0), "");
        assert_eq!(words((32, 32, 30), 0.0), "");
        assert_eq!(words((1, 40, 1), 0.0), "");
        assert!(words((32, 32, 5), 0.0).contains("transpose"));
        assert!(words((5, 32, 32), -1.0).contains("negative"));
    }
}
