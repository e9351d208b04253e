//! An image in few bytes of text, from which a browser gets its values back.
//!
//! Values become whole numbers, `code = 1 + (value − low) / step`; 0 stands for values that are no number. Each code is
//! written as its difference from what its neighbours let expect, first the high bytes of all pixels, then the low
//! ones, which deflate makes small. A PNG of 16 bits would do as well, but a browser's canvas returns 8 of them.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use ndarray::{Array2, ArrayView2};
use recon_operators::{Rank, quantile};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

/// How finely values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// To 1/131 068 of the range of an image: 16 bits.
    #[default]
    Fine,
    /// To a quarter of what neighbours do not foretell of a pixel, noise mostly: about 4.5 bits a pixel, whatever the
    /// image. At least to 1/512 of its range, and at most to 1/8 188, as 12 bits would.
    Coarse,
}

impl Depth {
    /// The distance of values that are told apart, for an image of this range.
    fn step(self, image: &ArrayView2<'_, f32>, range: f64) -> f64 {
        match self {
            Self::Fine => range / 65_534.0,
            Self::Coarse => (surprise(image) / 2.0).clamp(range / 4094.0, range / 256.0),
        }
    }
}

/// The standard deviation of pixels from what their neighbours let expect; from the median, because edges surprise
/// most. Where there is no surprise, as in a background of zeros, there is nothing to keep either.
fn surprise(image: &ArrayView2<'_, f32>) -> f64 {
    let differences = image.windows((2, 2)).into_iter().map(|w| {
        let (c, b, a) = (w[[0, 0]], w[[0, 1]], w[[1, 0]]);
        (w[[1, 1]] - a.min(b).max(a.max(b).min(a + b - c))).abs()
    });
    let mut differences: Vec<f32> = differences.filter(|value| value.is_finite() && *value > 0.0).collect();
    // The median of |N(0, 1)| is 0.6745.
    quantile(&mut differences, 0.5, Rank::Linear).map_or(0.0, |median| f64::from(median) / 0.6745)
}

/// An image as it stands in a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedImage {
    rows: usize,
    cols: usize,
    low: f64,
    high: f64,
    step: f64,
    #[serde(with = "letters")]
    bytes: Vec<u8>,
}

impl PackedImage {
    /// Packs an image. Values that are not finite come back as not a number.
    pub fn pack(image: &ArrayView2<'_, f32>, depth: Depth) -> Self {
        let finite = || image.iter().filter(|value| value.is_finite()).map(|value| f64::from(*value));
        let low = finite().reduce(f64::min).unwrap_or(0.0);
        let high = finite().reduce(f64::max).unwrap_or(0.0);
        let step = depth.step(image, high - low);
        let code = |value: f32| match value.is_finite() {
            true if step > 0.0 => 1 + ((f64::from(value) - low) / step).round() as u16,
            finite => u16::from(finite),
        };
        let (rows, cols) = image.dim();
        let codes: Vec<u16> = image.iter().map(|value| code(*value)).collect();
        Self { rows, cols, low, high, step, bytes: deflated(&planes(&differences(&codes, cols))) }
    }

    /// The values again, each within half a [step](Self::step).
    ///
    /// # Errors
    /// When the bytes are not those of an image of this size.
    pub fn unpack(&self) -> Result<Array2<f32>> {
        let pixels = self.rows * self.cols;
        let mut planes = Vec::new();
        ZlibDecoder::new(self.bytes.as_slice()).take(2 * pixels as u64 + 1).read_to_end(&mut planes)?;
        ensure!(planes.len() == 2 * pixels, "{} bytes for {pixels} pixels", planes.len());
        let (high, low) = planes.split_at(pixels);
        let mut codes: Vec<u16> = high.iter().zip(low).map(|(h, l)| u16::from_be_bytes([*h, *l])).collect();
        for at in 0..pixels {
            codes[at] = expected(&codes, at, self.cols).wrapping_add(from_zigzag(codes[at]));
        }
        let value = |code: u16| match code {
            0 => f32::NAN,
            code => (self.low + f64::from(code - 1) * self.step) as f32,
        };
        Array2::from_shape_vec((self.rows, self.cols), codes.into_iter().map(value).collect())
            .context("shape")
    }

    /// Rows and columns.
    pub fn dim(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// The least value.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The largest value.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// The distance of values that are told apart.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// Its pixels as text for a page.
    pub(super) fn text(&self) -> String {
        base64(&self.bytes)
    }
}

/// What a code is likely to be, from those to its left (a), above (b) and above left (c): the median of a, b and
/// a + b − c, as in LOCO-I (Weinberger, Seroussi and Sapiro 2000).
fn expected(codes: &[u16], at: usize, cols: usize) -> u16 {
    let (row, col) = (at / cols, at % cols);
    match (row, col) {
        (0, 0) => 0,
        (0, _) => codes[at - 1],
        (_, 0) => codes[at - cols],
        _ => {
            let (a, b, c) = (codes[at - 1], codes[at - cols], codes[at - cols - 1]);
            let (least, most) = (a.min(b), a.max(b));
            if c >= most { least } else { if c <= least { most } else { a.wrapping_sub(c).wrapping_add(b) } }
        }
    }
}

/// Every code less what is expected there; small numbers of either sign become small ones without.
fn differences(codes: &[u16], cols: usize) -> Vec<u16> {
    (0..codes.len()).map(|at| zigzag(codes[at].wrapping_sub(expected(codes, at, cols)))).collect()
}

/// 0, −1, 1, −2, … as 0, 1, 2, 3, …
fn zigzag(difference: u16) -> u16 {
    let signed = difference.cast_signed();
    ((signed << 1) ^ (signed >> 15)).cast_unsigned()
}

fn from_zigzag(number: u16) -> u16 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

/// The high bytes of all numbers, then the low ones.
fn planes(numbers: &[u16]) -> Vec<u8> {
    let byte = |place: usize| numbers.iter().map(move |number| number.to_be_bytes()[place]);
    byte(0).chain(byte(1)).collect()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("memory takes all that is written")
}

/// Bytes as letters (RFC 4648).
pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Bytes in text files.
mod letters {
    use super::{BASE64_STANDARD, Engine};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use recon_operators::Field;

    fn largest_error(image: &Array2<f32>, depth: Depth) -> f64 {
        let again = PackedImage::pack(&image.view(), depth).unpack().expect("whole");
        let errors = image.iter().zip(&again).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
        errors.fold(0.0, f64::max)
    }

    #[test]
    fn values_come_back_to_less_than_a_65000th_of_their_range() {
        let noise = Array2::<f32>::randn(&[37, 53], &mut ChaCha8Rng::seed_from_u64(3)) * 300.0;
        let ramp = Array2::from_shape_fn((9, 70), |(i, j)| i as f32 * 100.0 - j as f32);
        for image in [noise, ramp] {
            let (low, high) = image.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            let range = f64::from(high) - f64::from(low);
            assert!(largest_error(&image, Depth::Fine) < range / 130_000.0);
            assert!(largest_error(&image, Depth::Coarse) < range / 510.0);
        }
    }

    #[test]
    fn coarse_values_are_as_far_off_as_a_quarter_of_the_noise() {
        let noise = Array2::<f32>::randn(&[128, 128], &mut ChaCha8Rng::seed_from_u64(4)) * 10.0;
        let ramp = Array2::from_shape_fn((128, 128), |(i, _)| 20.0 * i as f32);
        let step = |image: &Array2<f32>| PackedImage::pack(&image.view(), Depth::Coarse).step();
        // Of noise alone, the best guess from three neighbours is off by √(1 + 1/3) to √2 of its standard deviation.
        let noisy = step(&(&noise + &ramp));
        assert!((5.5..9.0).contains(&noisy), "{noisy}");
        assert_eq!(step(&ramp), 127.0 * 20.0 / 4094.0, "no finer than 12 bits");
        assert!((step(&Array2::eye(64)) - 1.0 / 256.0).abs() < 1e-9, "no coarser than 1/256 of the range");
    }

    #[test]
    fn what_is_no_number_stays_none_and_the_rest_is_kept() {
        let image = ndarray::array![[f32::NAN, 1.0, f32::INFINITY], [2.0, f32::NEG_INFINITY, 3.0]];
        let again = PackedImage::pack(&image.view(), Depth::Fine).unpack().expect("whole");
        let near = |a: &f32, b: &f32| if a.is_finite() { (a - b).abs() < 1e-4 } else { b.is_nan() };
        assert!(image.iter().zip(&again).all(|(a, b)| near(a, b)), "{again}");
    }

    #[test]
    fn flat_empty_and_extreme_images_are_packed_too() {
        assert_eq!(largest_error(&Array2::from_elem((4, 4), -1024.5), Depth::Fine), 0.0);
        for (rows, cols) in [(0, 0), (0, 7), (7, 0), (1, 1)] {
            let image = Array2::<f32>::from_elem((rows, cols), f32::NAN);
            let packed = PackedImage::pack(&image.view(), Depth::Coarse);
            assert_eq!(packed.unpack().expect("whole").dim(), (rows, cols));
        }
        let extreme = ndarray::array![[f32::MIN, f32::MAX], [0.0, f32::MIN_POSITIVE]];
        assert!(largest_error(&extreme, Depth::Fine) < f64::from(f32::MAX) / 65_000.0);
    }

    #[test]
    fn damaged_bytes_are_told() {
        let mut packed = PackedImage::pack(&Array2::from_elem((4, 4), 1.0).view(), Depth::Fine);
        packed.rows = 3;
        assert!(packed.unpack().is_err());
        packed.bytes.truncate(5);
        assert!(packed.unpack().is_err());
    }
}
