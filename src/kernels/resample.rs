//! Halving and doubling of images.

use super::conv3x3::Images;
use rayon::prelude::*;

/// The mean of each 2x2 block times `factor`: with 1 the average, with 4 the sum.
pub(super) fn pool(x: &[f32], images: Images, factor: f32) -> Vec<f32> {
    let (rows, cols) = (images.rows / 2, images.cols / 2);
    let mut y = vec![0.0; images.batch * images.channels * rows * cols];
    let planes = y.par_chunks_mut(rows * cols).zip(x.par_chunks(images.pixels()));
    planes.for_each(|(y, x)| {
        for (row, pair) in y.chunks_exact_mut(cols).zip(x.chunks_exact(2 * images.cols)) {
            let (top, bottom) = pair.split_at(images.cols);
            for ((v, a), b) in row.iter_mut().zip(top.chunks_exact(2)).zip(bottom.chunks_exact(2)) {
                *v = 0.25 * factor * ((a[0] + a[1]) + (b[0] + b[1]));
            }
        }
    });
    y
}

/// Each pixel of a plane repeated 2x2, times `factor`.
pub(super) fn repeat_plane(x: &[f32], cols: usize, factor: f32, y: &mut [f32]) {
    for (pair, row) in y.chunks_exact_mut(4 * cols).zip(x.chunks_exact(cols)) {
        let (top, bottom) = pair.split_at_mut(2 * cols);
        for (t, v) in top.chunks_exact_mut(2).zip(row) {
            t.fill(factor * v);
        }
        bottom.copy_from_slice(top);
    }
}

/// Each pixel repeated 2x2, times `factor`; `images` is the small size.
pub(super) fn repeat(x: &[f32], images: Images, factor: f32) -> Vec<f32> {
    let mut y = vec![0.0; 4 * x.len()];
    let planes = y.par_chunks_mut(4 * images.pixels()).zip(x.par_chunks(images.pixels()));
    planes.for_each(|(y, x)| repeat_plane(x, images.cols, factor, y));
    y
}

/// The planes of `deep` (half the size) doubled, then those of `skip`, image by image.
pub(super) fn double_concat(deep: &[f32], small: Images, skip: &[f32], large: Images) -> Vec<f32> {
    let result = large.with_channels(small.channels + large.channels);
    let mut y = vec![0.0; result.len()];
    y.par_chunks_mut(result.pixels()).enumerate().for_each(|(at, y)| {
        let (image, channel) = (at / result.channels, at % result.channels);
        if channel < small.channels {
            repeat_plane(&deep[small.plane(image, channel)..][..small.pixels()], small.cols, 1.0, y);
        } else {
            y.copy_from_slice(&skip[large.plane(image, channel - small.channels)..][..large.pixels()]);
        }
    });
    y
}
