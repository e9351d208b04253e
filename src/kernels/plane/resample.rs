//! Halving and doubling of images.

use crate::kernels::images::Images;
use crate::kernels::simd::shared::written;
use rayon::prelude::*;

/// `len` floats in planes of `size`; `fill` writes all of plane `n`.
fn planes(len: usize, size: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    // SAFETY: every plane is written before it is read; a float has no invalid bits.
    unsafe {
        written(len, |y| {
            (0..len / size).into_par_iter().for_each(|n| {
                fill(n, std::slice::from_raw_parts_mut(y.range(n * size, size), size));
            });
        })
    }
}

/// The mean of each 2x2 block times `factor`: with 1 the average, with 4 the sum.
pub(in crate::kernels) fn pool(x: &[f32], images: Images, factor: f32) -> Vec<f32> {
    let small = Images { rows: images.rows / 2, cols: images.cols / 2, ..images };
    pool_first(x, images, small, factor)
}

/// [`pool`] of the first channels of each image; `small` is the size of the result.
pub(in crate::kernels) fn pool_first(x: &[f32], images: Images, small: Images, factor: f32) -> Vec<f32> {
    planes(small.len(), small.pixels(), |n, y| {
        let x = &x[images.plane(n / small.channels, n % small.channels)..][..images.pixels()];
        for (row, pair) in y.chunks_exact_mut(small.cols).zip(x.chunks_exact(2 * images.cols)) {
            let (top, bottom) = pair.split_at(images.cols);
            for ((v, a), b) in row.iter_mut().zip(top.as_chunks().0).zip(bottom.as_chunks().0) {
                let (a, b): (&[f32; 2], &[f32; 2]) = (a, b);
                *v = 0.25 * factor * ((a[0] + a[1]) + (b[0] + b[1]));
            }
        }
    })
}

/// Each pixel of a plane repeated 2x2, times `factor`.
fn repeat_plane(x: &[f32], cols: usize, factor: f32, y: &mut [f32]) {
    for (pair, row) in y.chunks_exact_mut(4 * cols).zip(x.chunks_exact(cols)) {
        let (top, bottom) = pair.split_at_mut(2 * cols);
        for (t, v) in top.as_chunks_mut::<2>().0.iter_mut().zip(row) {
            *t = [factor * v; 2];
        }
        bottom.copy_from_slice(top);
    }
}

/// Each pixel repeated 2x2, times `factor`; `images` is the small size.
pub(in crate::kernels) fn repeat(x: &[f32], images: Images, factor: f32) -> Vec<f32> {
    let size = images.pixels();
    planes(4 * x.len(), 4 * size, |n, y| repeat_plane(&x[n * size..][..size], images.cols, factor, y))
}

/// The planes of `deep` (half the size) doubled, then those of `skip`, image by image.
pub(in crate::kernels) fn double_concat(
    deep: &[f32],
    small: Images,
    skip: &[f32],
    large: Images,
) -> Vec<f32> {
    let result = large.with_channels(small.channels + large.channels);
    planes(result.len(), result.pixels(), |n, y| {
        let (image, channel) = (n / result.channels, n % result.channels);
        if channel < small.channels {
            repeat_plane(&deep[small.plane(image, channel)..][..small.pixels()], small.cols, 1.0, y);
        } else {
            y.copy_from_slice(&skip[large.plane(image, channel - small.channels)..][..large.pixels()]);
        }
    })
}

/// Some channels of each image.
pub(in crate::kernels) fn channels(x: &[f32], images: Images, range: std::ops::Range<usize>) -> Vec<f32> {
    let size = range.len() * images.pixels();
    planes(images.batch * size, size, |image, y| {
        y.copy_from_slice(&x[images.plane(image, range.start)..][..size]);
    })
}
