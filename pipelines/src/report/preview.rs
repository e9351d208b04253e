//! A picture to look at: truth, baseline, result and error side by side.

use anyhow::Result;
use image::{GrayImage, ImageFormat, Luma};
use ndarray::{Array2, ArrayView2, Axis};
use recon_data::Geometry;
use recon_operators::{Rank, quantile};
use serde::{Deserialize, Serialize};
use std::io::Cursor;

/// Which values are black and white.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Shown black.
    pub low: f32,
    /// Shown white.
    pub high: f32,
}

impl Window {
    /// The radiologist's soft-tissue window: centre 40, width 400 HU.
    pub const SOFT_TISSUE: Self = Self { low: -160.0, high: 240.0 };

    /// From the 1st to the 99.5th percentile of an image.
    pub fn percentiles(image: &ArrayView2<'_, f32>) -> Self {
        let mut values: Vec<f32> = image.iter().copied().filter(|v| v.is_finite()).collect();
        let low = quantile(&mut values, 0.01, Rank::Linear).unwrap_or(0.0);
        let high = quantile(&mut values, 0.995, Rank::Linear).unwrap_or(1.0);
        Self { low, high: if high > low { high } else { low + 1.0 } }
    }

    /// The window of absolute errors: a quarter of this one, from zero.
    pub fn error(self) -> Self {
        Self { low: 0.0, high: (self.high - self.low) / 4.0 }
    }

    fn gray(self, value: f32) -> u8 {
        let fraction = (value - self.low) / (self.high - self.low);
        (fraction.clamp(0.0, 1.0) * 255.0).round() as u8
    }
}

/// An image as radiologists hang it: axial with the front up, all others with the head up, the patient's right on the left of
/// the picture (of a sagittal one, the front).
pub fn upright<'a>(image: &ArrayView2<'a, f32>, geometry: &Geometry) -> ArrayView2<'a, f32> {
    // LPS: where rows should go down to, and columns to the right.
    let [slice, row, col] = geometry.direction.map(main_axis);
    let (down, right) = match slice.0 {
        0 => ((2, -1.0), (1, 1.0)),
        1 => ((2, -1.0), (0, 1.0)),
        _ => ((1, 1.0), (0, 1.0)),
    };
    let mut shown = *image;
    let (mut row, mut col) = (row, col);
    if row.0 == right.0 && col.0 == down.0 {
        shown = shown.reversed_axes();
        std::mem::swap(&mut row, &mut col);
    }
    if row.0 == down.0 && row.1 != down.1 {
        shown.invert_axis(Axis(0));
    }
    if col.0 == right.0 && col.1 != right.1 {
        shown.invert_axis(Axis(1));
    }
    shown
}

/// The axis of the patient that a direction runs along most, and which way.
fn main_axis(direction: [f64; 3]) -> (usize, f64) {
    let largest = (0..3).fold(0, |best, n| if direction[n].abs() > direction[best].abs() { n } else { best });
    (largest, direction[largest].signum())
}

/// The images of one slice, all of one shape.
pub struct Panels<'a> {
    /// The reference, when one is known; without it there is no error panel either.
    pub truth: Option<ArrayView2<'a, f32>>,
    /// The baseline from the same data.
    pub baseline: Option<ArrayView2<'a, f32>>,
    /// The reconstruction.
    pub result: ArrayView2<'a, f32>,
}

const GAP: u32 = 4;

/// Draws truth, baseline, result and absolute error from left to right, those that exist; the error in
/// [`Window::error`] of `window`.
pub fn montage(panels: &Panels<'_>, window: Window) -> GrayImage {
    montages(&[(panels, window)])
}

/// Draws several slices, a row each in its own window, as [`montage`] does.
pub fn montages(slices: &[(&Panels<'_>, Window)]) -> GrayImage {
    let error = |panels: &Panels<'_>| panels.truth.map(|truth| (&truth - &panels.result).mapv(f32::abs));
    let errors: Vec<Option<Array2<f32>>> = slices.iter().map(|(panels, _)| error(panels)).collect();
    let rows = slices.iter().zip(&errors);
    draw(&rows.map(|((panels, window), error)| shown(panels, error.as_ref(), *window)).collect::<Vec<_>>())
}

/// The images of a slice from left to right, each with its window.
fn shown<'a>(
    panels: &'a Panels<'_>,
    error: Option<&'a Array2<f32>>,
    window: Window,
) -> Vec<(ArrayView2<'a, f32>, Window)> {
    let images = panels.truth.iter().chain(&panels.baseline).chain([&panels.result]);
    let images = images.map(|image| (image.view(), window));
    images.chain(error.map(|error| (error.view(), window.error()))).collect()
}

/// Draws rows of images in one window; images may differ in size, and stand in columns as wide as the widest.
pub fn grid(rows: &[Vec<ArrayView2<'_, f32>>], window: Window) -> GrayImage {
    let shown: Vec<Vec<(ArrayView2<'_, f32>, Window)>> =
        rows.iter().map(|row| row.iter().map(|image| (image.view(), window)).collect()).collect();
    draw(&shown)
}

/// Rows of images, each in a window of its own, on white.
fn draw(rows: &[Vec<(ArrayView2<'_, f32>, Window)>]) -> GrayImage {
    let all = || rows.iter().flatten().map(|(image, _)| image);
    let (height, width) = (all().map(ArrayView2::nrows).max(), all().map(ArrayView2::ncols).max());
    let (height, width) = (height.unwrap_or(1) as u32, width.unwrap_or(1) as u32);
    let extent = |count: usize, side: u32| (count.max(1) as u32) * (side + GAP) - GAP;
    let across = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut canvas = GrayImage::from_pixel(extent(across, width), extent(rows.len(), height), Luma([255]));
    for (down, row) in rows.iter().enumerate() {
        for (place, (image, window)) in row.iter().enumerate() {
            let (top, left) = (down as u32 * (height + GAP), place as u32 * (width + GAP));
            for ((i, j), &value) in image.indexed_iter() {
                canvas.put_pixel(left + j as u32, top + i as u32, Luma([window.gray(value)]));
            }
        }
    }
    canvas
}

/// A picture as the bytes of a PNG file.
///
/// # Errors
/// When the picture is too large for the format.
pub fn png(picture: &GrayImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_stand_side_by_side_in_their_windows() {
        let truth = Array2::from_elem((3, 5), 40.0f32);
        let result = Array2::from_elem((3, 5), 90.0f32);
        let panels = Panels { truth: Some(truth.view()), baseline: None, result: result.view() };
        let picture = montage(&panels, Window::SOFT_TISSUE);
        assert_eq!(picture.dimensions(), (3 * 5 + 2 * GAP, 3));
        assert_eq!(picture.get_pixel(0, 0), &Luma([128]));
        // |40 − 90| of a window 0…100
        assert_eq!(picture.get_pixel(2 * (5 + GAP), 0), &Luma([128]));
    }

    #[test]
    fn several_slices_stand_below_one_another() {
        let (truth, result) = (Array2::from_elem((3, 5), 1.0f32), Array2::from_elem((3, 5), 0.5f32));
        let full = Panels { truth: Some(truth.view()), baseline: Some(result.view()), result: result.view() };
        let window = |high| Window { low: 0.0, high };
        let picture = montages(&[(&full, window(1.0)), (&full, window(4.0))]);
        assert_eq!(picture.dimensions(), (4 * 5 + 3 * GAP, 2 * 3 + GAP));
        let at = |column: u32, row: u32| picture.get_pixel(column * (5 + GAP), row * (3 + GAP))[0];
        assert_eq!([at(0, 0), at(1, 0), at(2, 0), at(3, 0)], [255, 128, 128, 255]);
        assert_eq!([at(0, 1), at(1, 1), at(3, 1)], [64, 32, 128]);
    }

    #[test]
    fn rows_of_different_images_stand_in_a_grid() {
        let (wide, small) = (Array2::from_elem((2, 5), 1.0f32), Array2::from_elem((3, 4), 0.0f32));
        let picture =
            grid(&[vec![wide.view(), small.view()], vec![small.view()]], Window { low: 0.0, high: 1.0 });
        assert_eq!(picture.dimensions(), (5 + GAP + 5, 3 + GAP + 3));
        let at = |x, y| picture.get_pixel(x, y)[0];
        assert_eq!([at(4, 1), at(5 + GAP, 2), at(0, 3 + GAP), at(4, 3 + GAP)], [255, 0, 0, 255]);
    }

    #[test]
    fn a_flat_image_still_has_a_window() {
        let flat = Array2::from_elem((2, 2), 7.0f32);
        assert_eq!(Window::percentiles(&flat.view()), Window { low: 7.0, high: 8.0 });
    }

    #[test]
    fn pictures_hang_as_radiologists_hang_them() {
        let image = ndarray::array![[1.0, 2.0], [3.0, 4.0]];
        let of = |slice, row, col| {
            let geometry = Geometry { direction: [slice, row, col], ..Geometry::default() };
            upright(&image.view(), &geometry).to_owned()
        };
        let (left, back, up) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let minus = |v: [f64; 3]| v.map(|x| -x);
        assert_eq!(of(up, back, left), image, "DICOM");
        assert_eq!(of(up, minus(back), minus(left)), ndarray::array![[4.0, 3.0], [2.0, 1.0]], "RAS");
        assert_eq!(of(left, up, minus(back)), ndarray::array![[4.0, 3.0], [2.0, 1.0]], "sagittal");
        assert_eq!(of(back, minus(up), left), image, "coronal");
        assert_eq!(of(up, left, back), ndarray::array![[1.0, 3.0], [2.0, 4.0]], "transposed");
    }
}
