//! From the numbers that methods work in to those that are written.

use ndarray::Array3;
use recon_data::{Unit, attenuation_to_hounsfield};

/// How the numbers of a reconstruction become those of the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values {
    /// As they are, in this unit.
    As(Unit),
    /// Attenuation in 1/mm becomes Hounsfield units.
    Hounsfield,
}

impl Values {
    /// The unit of the output.
    pub fn unit(self) -> Unit {
        match self {
            Self::As(unit) => unit,
            Self::Hounsfield => Unit::Hounsfield,
        }
    }

    /// Images in the unit of the output.
    pub fn image(self, images: Array3<f32>) -> Array3<f32> {
        match self {
            Self::As(_) => images,
            Self::Hounsfield => images.mapv_into(attenuation_to_hounsfield),
        }
    }

    /// A standard deviation in the unit of the output: it has the scale of the image but not its origin.
    pub fn spread(self, std: Array3<f32>) -> Array3<f32> {
        match self {
            Self::Hounsfield => {
                std.mapv_into(|s| attenuation_to_hounsfield(s) - attenuation_to_hounsfield(0.0))
            }
            Self::As(_) => std,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_in_hounsfield_units_has_no_offset() {
        let water = Array3::from_elem((1, 1, 1), recon_data::WATER_ATTENUATION);
        assert!(Values::Hounsfield.image(water.clone())[[0, 0, 0]].abs() < 1e-3);
        assert!((Values::Hounsfield.spread(water)[[0, 0, 0]] - 1000.0).abs() < 1e-3);
    }
}
