//! What the result of a case looks like.

use ndarray::Array2;
use recon_data::{Geometry, Source, Unit, attenuation_to_hounsfield};

/// Shape, place, unit and kind of a result.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Axis lengths (slice, row, col).
    pub shape: [usize; 3],
    /// Where the voxels lie.
    pub geometry: Geometry,
    /// How the numbers of a reconstruction become those of the result.
    pub values: Values,
    /// What kind of file the input was.
    pub source: Source,
    /// Whether an array of one image keeps its slice axis.
    pub keep_axis: bool,
}

/// How the numbers of a reconstruction become those of the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// As they are, in this unit.
    As(Unit),
    /// Attenuation in 1/mm becomes Hounsfield units.
    Hounsfield,
}

impl Values {
    /// Those of a CT image in this unit, which was reconstructed as attenuation.
    pub fn of_ct(unit: Unit) -> Self {
        if unit == Unit::Hounsfield { Self::Hounsfield } else { Self::As(unit) }
    }

    /// The unit of the output.
    pub fn unit(self) -> Unit {
        match self {
            Self::As(unit) => unit,
            Self::Hounsfield => Unit::Hounsfield,
        }
    }

    /// An image in the unit of the output.
    pub fn image(self, image: Array2<f32>) -> Array2<f32> {
        match self {
            Self::As(_) => image,
            Self::Hounsfield => image.mapv_into(attenuation_to_hounsfield),
        }
    }

    /// A difference of images in the unit of the output: it has the scale of an image but not its origin.
    pub fn difference(self, difference: Array2<f32>) -> Array2<f32> {
        match self {
            Self::As(_) => difference,
            Self::Hounsfield => {
                difference.mapv_into(|s| attenuation_to_hounsfield(s) - attenuation_to_hounsfield(0.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_in_hounsfield_units_has_no_offset() {
        let water = Array2::from_elem((1, 1), recon_data::WATER_ATTENUATION);
        assert!(Values::Hounsfield.image(water.clone())[[0, 0]].abs() < 1e-3);
        assert!((Values::Hounsfield.difference(water)[[0, 0]] - 1000.0).abs() < 1e-3);
    }
}
