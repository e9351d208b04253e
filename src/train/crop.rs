//! Which part of a slice a step learns from.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// The part of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// A square with this many pixels a side.
    Square(usize),
    /// All of it, padded to the largest slice of the batch.
    Whole,
}

/// A kind of batch: `SIDE[xCOUNT][:SHARE]`, where `SIDE` may be `whole`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Crop {
    /// The part of a slice.
    pub extent: Extent,
    /// Images of a batch, if it is said.
    pub count: Option<usize>,
    /// How often it is taken, relative to the others.
    pub share: f64,
}

/// Largest side of a crop.
const MAX_SIDE: usize = 4096;
/// Most images of a batch.
const MAX_COUNT: usize = 4096;

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, share) = text.split_once(':').map_or((text, None), |(kind, share)| (kind, Some(share)));
        let (side, count) = kind.split_once('x').map_or((kind, None), |(side, count)| (side, Some(count)));
        let whole = |text: &str, range: std::ops::RangeInclusive<usize>| {
            let number = text.trim().parse().ok().filter(|n| range.contains(n));
            number.ok_or_else(|| format!("{text} is not a number in {}..={}", range.start(), range.end()))
        };
        let extent = match side.trim() {
            "whole" => Extent::Whole,
            side => Extent::Square(whole(side, 16..=MAX_SIDE)?),
        };
        let count = count.map(|count| whole(count, 1..=MAX_COUNT)).transpose()?;
        let share: f64 = match share {
            Some(share) => share.trim().parse().map_err(|_| format!("{share} is not a number"))?,
            None => 1.0,
        };
        if !(share.is_finite() && share > 0.0) {
            return Err(format!("a share must be positive, not {share}"));
        }
        Ok(Self { extent, count, share })
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.extent {
            Extent::Square(side) => write!(f, "{side}")?,
            Extent::Whole => f.write_str("whole")?,
        }
        if let Some(count) = self.count {
            write!(f, "x{count}")?;
        }
        write!(f, ":{}", self.share)
    }
}

/// The kinds of batches of a training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crops(Vec<(Extent, usize, f64)>);

impl Crops {
    /// Batches without a count get about as many pixels as `batch` squares of the first side; whole slices come
    /// alone.
    ///
    /// # Errors
    /// When the list is empty, or a side is no multiple of what the network needs.
    pub fn new(listed: &[Crop], batch: usize, multiple: usize) -> Result<Self, String> {
        let squares = |crop: &Crop| if let Extent::Square(side) = crop.extent { Some(side) } else { None };
        if let Some(side) = listed.iter().filter_map(squares).find(|side| !side.is_multiple_of(multiple)) {
            return Err(format!("{side} is not a multiple of {multiple}, which this network needs"));
        }
        let pixels = listed.iter().find_map(squares).map_or(0, |side| batch * side * side);
        let resolved = listed.iter().map(|crop| {
            let fitting = squares(crop).map_or(1, |side| (pixels / (side * side)).max(1));
            (crop.extent, crop.count.unwrap_or(fitting), crop.share)
        });
        let crops: Vec<_> = resolved.collect();
        if crops.is_empty() { Err("name at least one size".to_owned()) } else { Ok(Self(crops)) }
    }

    /// The kind of batch that belongs to `u`, which is uniform in [0, 1), and its number of images.
    pub fn choose(&self, u: f64) -> (Extent, usize) {
        let total: f64 = self.0.iter().map(|crop| crop.2).sum();
        let mut left = u * total;
        for (extent, count, share) in &self.0 {
            left -= share;
            if left < 0.0 {
                return (*extent, *count);
            }
        }
        // Rounding of the sum: the last one. The list is never empty.
        self.0.last().map_or((Extent::Whole, 1), |(extent, count, _)| (*extent, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_values() {
        let parse = |text: &str| text.parse::<Crop>();
        let crop = Crop { extent: Extent::Square(128), count: Some(4), share: 60.0 };
        assert_eq!(parse("128x4:60"), Ok(crop));
        assert_eq!(crop.to_string().parse(), Ok(crop));
        assert_eq!(parse("whole"), Ok(Crop { extent: Extent::Whole, count: None, share: 1.0 }));
        for bad in ["", "8", "128x0", "128:0", "128:-1", "128:nan", "x4", "128x", "whole:", "5000"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_and_pixels_are_kept() {
        let listed: Vec<Crop> =
            ["128x4:60", "256:30", "96x8:10"].iter().map(|text| text.parse().unwrap()).collect();
        let crops = Crops::new(&listed, 4, 16).unwrap();
        let found = [0.0, 0.59, 0.61, 0.89, 0.91, 0.999].map(|u| crops.choose(u));
        let [a, b, c] = [(128, 4), (256, 1), (96, 8)].map(|(side, count)| (Extent::Square(side), count));
        assert_eq!(found, [a, a, b, b, c, c]);
        assert!(Crops::new(&listed, 4, 64).unwrap_err().contains("96"));
        assert!(Crops::new(&[], 4, 16).is_err());
    }
}
