//! What a plot is drawn with: lines, marks and letters.

use super::font;
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};

/// Dots of the canvas for one of the picture, in either direction; averaged in the end for smooth lines.
const FINER: u32 = 3;
/// Side of a letter's dot in the picture.
const DOT: u32 = 2;

/// A colour.
pub(super) type Colour = Rgb<u8>;

/// A white sheet, measured in pixels of the picture from the top left.
pub(super) struct Canvas(RgbImage);

impl Canvas {
    /// A sheet of this size.
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self(RgbImage::from_pixel(width * FINER, height * FINER, Rgb([255; 3])))
    }

    /// A line of this thickness with round ends.
    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), thickness: f32, colour: Colour) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        // Three dots a pixel leave no gaps.
        let steps = (length * 3.0).ceil().max(1.0) as usize;
        for step in 0..=steps {
            let t = step as f32 / steps as f32;
            let at = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            self.disc(at, thickness / 2.0, colour);
        }
    }

    /// A filled disc.
    pub(super) fn disc(&mut self, (x, y): (f32, f32), radius: f32, colour: Colour) {
        let fine = FINER as f32;
        let (x, y, radius) = (x * fine, y * fine, radius * fine);
        let (left, top) = ((x - radius).floor() as i64, (y - radius).floor() as i64);
        let side = (2.0 * radius).ceil() as i64 + 1;
        for row in top..=top + side {
            for col in left..=left + side {
                if (col as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y) <= radius {
                    self.put(col, row, colour);
                }
            }
        }
    }

    /// Letters in one line, their top left corner at `(x, y)`.
    pub(super) fn text(&mut self, text: &str, (x, y): (f32, f32), colour: Colour) {
        let side = i64::from(FINER * DOT);
        let (left, top) = ((x * FINER as f32) as i64, (y * FINER as f32) as i64);
        for (place, letter) in text.chars().enumerate() {
            let top = top + font::drop(letter) * side;
            let left = left + place as i64 * i64::from(font::SIZE.0 + 1) * side;
            for (row, dots) in font::rows(letter).iter().enumerate() {
                for col in (0..i64::from(font::SIZE.0)).filter(|col| dots >> (4 - col) & 1 == 1) {
                    self.square(left + col * side, top + row as i64 * side, side, colour);
                }
            }
        }
    }

    fn square(&mut self, left: i64, top: i64, side: i64, colour: Colour) {
        for row in top..top + side {
            for col in left..left + side {
                self.put(col, row, colour);
            }
        }
    }

    /// What lies outside the sheet is not drawn.
    fn put(&mut self, col: i64, row: i64, colour: Colour) {
        let inside = |at: i64, side: u32| u32::try_from(at).ok().filter(|at| *at < side);
        if let (Some(col), Some(row)) = (inside(col, self.0.width()), inside(row, self.0.height())) {
            self.0.put_pixel(col, row, colour);
        }
    }

    /// The finished picture.
    pub(super) fn picture(&self) -> RgbImage {
        let (width, height) = self.0.dimensions();
        resize(&self.0, width / FINER, height / FINER, FilterType::Triangle)
    }
}

/// Width and height of a line of letters.
pub(super) fn text_size(text: &str) -> (f32, f32) {
    let count = text.chars().count() as u32;
    let width = (count * (font::SIZE.0 + 1)).saturating_sub(1) * DOT;
    (width as f32, (font::SIZE.1 * DOT) as f32)
}
