//! Pixel-driven back-projection with linear interpolation, the second half of filtered back-projection.

use super::ParallelBeam;
use ndarray::Array2;
use rayon::prelude::*;

/// Zeros that every filtered projection carries on either side.
pub(super) const PADDING: usize = 3;

/// Adding this rounds a small f32 to an integer, which then stands in the low bits of the mantissa.
const ROUND: f32 = 12_582_912.0;

/// `f(x, y) = Σ_θ q_θ(x cos θ + y sin θ)`, with weights already in `filtered`, axes (angle, padded bin).
///
/// Beyond the detector a projection falls to zero within one bin.
pub(super) fn back_project(geometry: &ParallelBeam, filtered: &Array2<f32>) -> Array2<f32> {
    let (rows, cols) = (geometry.rows, geometry.cols);
    let directions: Vec<(f64, f64)> = geometry.angles.iter().map(|angle| angle.sin_cos()).collect();
    let mut image = vec![0.0; rows * cols];
    image.par_chunks_mut(cols).enumerate().for_each(|(row, pixels)| {
        let y = (rows as f64 - 1.0) / 2.0 - row as f64;
        for (&(sin, cos), projection) in directions.iter().zip(filtered.outer_iter()) {
            let projection = projection.to_slice().unwrap_or_default();
            let pixel = f64::from(geometry.spacing) / f64::from(geometry.detector_spacing);
            let centre = geometry.axis_bin();
            let start = (y * sin - (cols as f64 - 1.0) / 2.0 * cos) * pixel + centre;
            add_line(projection, start, cos * pixel, pixels);
        }
    });
    Array2::from_shape_vec((rows, cols), image).expect("one row of pixels an image row")
}

/// `pixels[j] += projection(start + j·step)`, positions in bins.
fn add_line(projection: &[f32], start: f64, step: f64, pixels: &mut [f32]) {
    let bins = (projection.len() - 2 * PADDING) as f64;
    let (first, last) = within(start, step, -1.0, bins, pixels.len());
    let start = (start + first as f64 * step + PADDING as f64) as f32;
    let step = step as f32;
    for (n, pixel) in pixels[first..last].iter_mut().enumerate() {
        let t = start + n as f32 * step;
        let rounded = (t - 0.5) + ROUND;
        let below = (rounded.to_bits() & 0x003f_ffff) as usize;
        let fraction = t - (rounded - ROUND);
        let pair = &projection[below..below + 2];
        *pixel += pair[0] + fraction * (pair[1] - pair[0]);
    }
}

/// The indices n < count with `low < start + n·step < high`, as a half-open range.
fn within(start: f64, step: f64, low: f64, high: f64, count: usize) -> (usize, usize) {
    if step.abs() < 1e-12 {
        return if start > low && start < high { (0, count) } else { (0, 0) };
    }
    let (a, b) = ((low - start) / step, (high - start) / step);
    let first = (a.min(b).floor() + 1.0).clamp(0.0, count as f64) as usize;
    let last = a.max(b).ceil().clamp(0.0, count as f64) as usize;
    (first, last.max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_interpolates_and_ends_with_the_detector() {
        let mut projection = vec![0.0; PADDING];
        projection.extend([1.0, 2.0, 4.0]);
        projection.extend([0.0; PADDING]);
        let mut pixels = vec![0.0; 12];
        add_line(&projection, -3.0, 0.5, &mut pixels);
        assert_eq!(pixels, [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 2.0]);
        let mut backwards = vec![0.0; 4];
        add_line(&projection, 2.0, -1.0, &mut backwards);
        assert_eq!(backwards, [4.0, 2.0, 1.0, 0.0]);
    }

    #[test]
    fn ranges_are_clipped() {
        assert_eq!(within(0.0, 1.0, -1.0, 5.0, 10), (0, 5));
        assert_eq!(within(7.5, -1.0, -1.0, 5.0, 10), (3, 9));
        assert_eq!(within(9.0, 0.0, -1.0, 5.0, 10), (0, 0));
        assert_eq!(within(90.0, 1.0, -1.0, 5.0, 10).0, within(90.0, 1.0, -1.0, 5.0, 10).1);
    }
}
