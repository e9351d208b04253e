//! Values to 16-bit integers and back: `value = slope · stored + intercept`.

use crate::{Modality, Volume};
use ndarray::ArrayView2;

/// Least magnitude that an MR image keeps unscaled: rounding to integers then costs less than 0.05 %.
const FINE_ENOUGH: f64 = 1000.0;

/// How the values of a series are stored in DICOM; one for all its slices.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct StoredScale {
    /// Value of one step.
    pub slope: f64,
    /// Value of a stored 0.
    pub intercept: f64,
    /// Whether the integers have a sign.
    pub signed: bool,
}

impl StoredScale {
    /// The scale of a volume.
    ///
    /// CT: slope 1 and intercept −1024 while the Hounsfield units fit, else the slope that makes them fit.
    /// MR: slope 1 while the largest magnitude lies between 1000 and the integer range, else the slope that
    /// brings it to 32767.
    pub fn of(volume: &Volume, modality: Modality) -> Self {
        let wider = |(low, high): (f32, f32), &value: &f32| (low.min(value), high.max(value));
        Self::of_range(volume.voxels.iter().fold((0.0, 0.0), wider), modality)
    }

    /// The scale of a volume whose values lie between these, 0 among them; see [`StoredScale::of`].
    pub(super) fn of_range((low, high): (f32, f32), modality: Modality) -> Self {
        let (low, high) = (f64::from(low), f64::from(high));
        match modality {
            Modality::Ct => Self::hounsfield(low, high),
            Modality::Mr => Self::arbitrary(low, high),
        }
    }

    fn hounsfield(low: f64, high: f64) -> Self {
        let plain = Self { slope: 1.0, intercept: -1024.0, signed: true };
        if plain.holds(low) && plain.holds(high) {
            return plain;
        }
        let intercept = low.floor();
        Self {
            slope: printable((high - intercept) / 65000.0),
            intercept: printable(intercept),
            signed: false,
        }
    }

    fn arbitrary(low: f64, high: f64) -> Self {
        let largest = high.max(-low);
        let plain = Self { slope: 1.0, intercept: 0.0, signed: low < 0.0 };
        if largest == 0.0 || (largest >= FINE_ENOUGH && plain.holds(low) && plain.holds(high)) {
            return plain;
        }
        // A little more than the quotient, so that rounding the slope never pushes the largest value out.
        Self { slope: printable(largest / 32767.0 * (1.0 + 1e-7)), ..plain }
    }

    fn bounds(&self) -> (f64, f64) {
        if self.signed { (-32768.0, 32767.0) } else { (0.0, 65535.0) }
    }

    fn holds(&self, value: f64) -> bool {
        let (low, high) = self.bounds();
        (low..=high).contains(&((value - self.intercept) / self.slope).round())
    }

    /// The 16 bits of every pixel, row by row.
    pub(super) fn store(&self, image: &ArrayView2<'_, f32>) -> Vec<u16> {
        let (low, high) = self.bounds();
        let one = |&value: &f32| {
            let stored = ((f64::from(value) - self.intercept) / self.slope).round().clamp(low, high);
            stored as i32 as u16
        };
        image.iter().map(one).collect()
    }
}

/// The number that the text of a decimal string says.
fn printable(value: f64) -> f64 {
    decimal_string(value).parse().unwrap_or(value)
}

/// A DICOM decimal string: at most 16 characters, as exact as they allow.
pub(super) fn decimal_string(value: f64) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    let shortest = value.to_string();
    if shortest.len() <= 16 {
        return shortest;
    }
    let fixed = (0..15).rev().map(|digits| format!("{value:.digits$}")).find(|text| text.len() <= 16);
    let exponent = (0..10).rev().map(|digits| format!("{value:.digits$e}")).find(|text| text.len() <= 16);
    let error = |text: &String| text.parse().map_or(f64::INFINITY, |parsed: f64| (parsed - value).abs());
    let candidates = [fixed, exponent].into_iter().flatten();
    candidates.min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or_else(|| "0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Geometry, Unit};
    use ndarray::Array3;

    fn volume(values: &[f32]) -> Volume {
        let voxels = Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap();
        Volume { voxels, geometry: Geometry::default(), unit: Unit::Arbitrary }
    }

    fn round_trip(values: &[f32], modality: Modality) -> (StoredScale, f64) {
        let volume = volume(values);
        let scale = StoredScale::of(&volume, modality);
        let stored = scale.store(&volume.voxels.index_axis(ndarray::Axis(0), 0));
        let back = stored.iter().map(|&raw| {
            let number = if scale.signed { f64::from(raw as i16) } else { f64::from(raw) };
            number * scale.slope + scale.intercept
        });
        let worst = back.zip(values).map(|(a, &b)| (a - f64::from(b)).abs()).fold(0.0, f64::max);
        (scale, worst)
    }

    #[test]
    fn rounding_costs_half_a_step_at_most() {
        for values in [vec![-3024.0, 0.4, 15720.0], vec![-70000.0, 3.0, 90000.0], vec![40000.0, 0.0]] {
            let (scale, worst) = round_trip(&values, Modality::Ct);
            assert!(worst <= 0.5001 * scale.slope, "{values:?} {scale:?} {worst}");
        }
        for values in
            [vec![0.0, 4095.0], vec![0.1, 0.9], vec![-3.0, 1.0], vec![0.0, 1e6], vec![-1e9, 1e-3], vec![0.0]]
        {
            let (scale, worst) = round_trip(&values, Modality::Mr);
            assert!(worst <= 0.5001 * scale.slope, "{values:?} {scale:?} {worst}");
        }
        let plain = StoredScale { slope: 1.0, intercept: -1024.0, signed: true };
        assert_eq!(round_trip(&[-1000.0, 3000.0], Modality::Ct).0, plain);
        assert_eq!(round_trip(&[0.0, 1500.0], Modality::Mr).0.slope, 1.0);
    }

    #[test]
    fn decimal_strings_are_short_and_exact() {
        for value in
            [1.0 / 3.0, -1.0 / 3.0, 1e-9 / 3.0, -123456.789012345, 1e20 / 3.0, -0.0, 0.660156, -1.7e-300]
        {
            let text = decimal_string(value);
            assert!(text.len() <= 16, "{text}");
            let parsed: f64 = text.parse().unwrap();
            assert!((parsed - value).abs() <= 2e-9 * value.abs(), "{value} {text}");
        }
        assert_eq!(decimal_string(-0.0), "0");
    }
}
