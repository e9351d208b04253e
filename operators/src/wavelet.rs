//! The orthonormal wavelet transform of images.

use crate::{LinearOperator, Scalar, Transform};
use ndarray::{Array2, ArrayView1, ArrayViewMut1, Axis, s};

/// The scaling filter of Daubechies' wavelet with four vanishing moments, eight taps ("db4"; Daubechies, Comm.
/// Pure Appl. Math. 41, 1988, Table 1): Σ h = √2, Σ h² = 1.
const SCALING: [f32; 8] = [
    0.230_377_81,
    0.714_846_55,
    0.630_880_8,
    -0.027_983_77,
    -0.187_034_81,
    0.030_841_382,
    0.032_883_01,
    -0.010_597_402,
];

/// The wavelet filter `g[n] = (−1)ⁿ h[7 − n]`.
const WAVELET: [f32; 8] = mirrored(&SCALING);

const fn mirrored(h: &[f32; 8]) -> [f32; 8] {
    let mut g = [0.0; 8];
    let mut n = 0;
    while n < 8 {
        g[n] = if n % 2 == 0 { h[7 - n] } else { -h[7 - n] };
        n += 1;
    }
    g
}

/// The periodic, orthonormal, separable wavelet transform with db4, for images of any size.
///
/// An image whose sides are not multiples of `2^levels` is continued by zeros to the next ones. So `W` is an
/// isometry, `WᵀW = 1`, for every size, and orthonormal (`WWᵀ = 1` too) on padded sizes. Coefficients lie as
/// Mallat (IEEE Trans. Pattern Anal. 11, 1989) draws them: approximations at the top left, around them the
/// details from coarse to fine. Axes (row, col).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wavelet {
    image: (usize, usize),
    padded: (usize, usize),
    levels: u32,
}

impl Wavelet {
    /// For `rows` × `cols` images, splitting the approximation `levels` times.
    ///
    /// # Panics
    /// When `2^levels` does not fit into a `usize`.
    pub fn new(rows: usize, cols: usize, levels: u32) -> Self {
        let block = 1_usize << levels;
        let padded = (rows.next_multiple_of(block), cols.next_multiple_of(block));
        Self { image: (rows, cols), padded, levels }
    }

    /// As many levels as leave at least eight approximations along the shorter side, at most `levels`.
    pub fn fitting(rows: usize, cols: usize, levels: u32) -> Self {
        let most = (rows.min(cols) / 8).max(1).ilog2();
        Self::new(rows, cols, levels.min(most))
    }

    /// Rows and columns of the coefficients, which are those of the padded image.
    pub fn padded(&self) -> (usize, usize) {
        self.padded
    }

    /// How often the approximation is split.
    pub fn levels(&self) -> u32 {
        self.levels
    }

    /// Rows and columns of the approximations.
    pub fn approximation(&self) -> (usize, usize) {
        (self.padded.0 >> self.levels, self.padded.1 >> self.levels)
    }

    /// `W x`, of the padded shape.
    ///
    /// # Panics
    /// When the image does not have the planned shape.
    pub fn analyse<S: Scalar>(&self, image: &Array2<S>) -> Array2<S> {
        let mut coefficients = self.pad(image);
        let mut scratch = Array2::from_elem(self.padded, S::ZERO);
        for level in 0..self.levels {
            let (rows, cols) = (self.padded.0 >> level, self.padded.1 >> level);
            let mut from = coefficients.slice_mut(s![..rows, ..cols]);
            let mut to = scratch.slice_mut(s![..rows, ..cols]);
            for (line, split) in from.outer_iter().zip(to.outer_iter_mut()) {
                split_line(&line, split);
            }
            split_rows(&to, &mut from);
        }
        coefficients
    }

    /// `Wᵀ c`, which is `W⁻¹ c` without what lies in the padding.
    ///
    /// # Panics
    /// When the coefficients do not have the padded shape.
    pub fn synthesise<S: Scalar>(&self, coefficients: &Array2<S>) -> Array2<S> {
        assert_eq!(coefficients.dim(), self.padded, "the coefficients do not have the planned shape");
        let mut image = coefficients.clone();
        let mut scratch = Array2::from_elem(self.padded, S::ZERO);
        for level in (0..self.levels).rev() {
            let (rows, cols) = (self.padded.0 >> level, self.padded.1 >> level);
            let mut part = image.slice_mut(s![..rows, ..cols]);
            let mut merged = scratch.slice_mut(s![..rows, ..cols]);
            merge_rows(&part, &mut merged);
            for (split, line) in merged.outer_iter().zip(part.outer_iter_mut()) {
                merge_line(&split, line);
            }
        }
        self.crop(&image)
    }

    /// The image continued by zeros to the padded shape.
    ///
    /// # Panics
    /// When the image does not have the planned shape.
    pub fn pad<S: Scalar>(&self, image: &Array2<S>) -> Array2<S> {
        assert_eq!(image.dim(), self.image, "the image does not have the planned shape");
        if self.padded == self.image {
            return image.clone();
        }
        let mut padded = Array2::from_elem(self.padded, S::ZERO);
        padded.slice_mut(s![..self.image.0, ..self.image.1]).assign(image);
        padded
    }

    /// The image within its padding.
    pub fn crop<S: Scalar>(&self, padded: &Array2<S>) -> Array2<S> {
        padded.slice(s![..self.image.0, ..self.image.1]).to_owned()
    }
}

type View<'a, S> = ndarray::ArrayViewMut2<'a, S>;

/// `a[k] = Σ h[n] x[2k + n]` into the first half and `d[k] = Σ g[n] x[2k + n]` into the second, periodic.
fn split_line<S: Scalar>(x: &ArrayView1<'_, S>, mut split: ArrayViewMut1<'_, S>) {
    let (length, half) = (x.len(), x.len() / 2);
    for k in 0..half {
        let (mut low, mut high) = (S::ZERO, S::ZERO);
        for n in 0..8 {
            let value = x[wrapped(2 * k + n, length)];
            low = low.add_scaled(SCALING[n], value);
            high = high.add_scaled(WAVELET[n], value);
        }
        split[k] = low;
        split[half + k] = high;
    }
}

/// The transpose of [`split_line`].
fn merge_line<S: Scalar>(split: &ArrayView1<'_, S>, mut x: ArrayViewMut1<'_, S>) {
    let (length, half) = (x.len(), x.len() / 2);
    x.fill(S::ZERO);
    for k in 0..half {
        let (low, high) = (split[k], split[half + k]);
        for n in 0..8 {
            let at = wrapped(2 * k + n, length);
            x[at] = x[at].add_scaled(SCALING[n], low).add_scaled(WAVELET[n], high);
        }
    }
}

/// [`split_line`] along columns, a row at a time.
fn split_rows<S: Scalar>(x: &View<'_, S>, split: &mut View<'_, S>) {
    let (length, half) = (x.nrows(), x.nrows() / 2);
    split.fill(S::ZERO);
    for k in 0..half {
        for n in 0..8 {
            let row = x.row(wrapped(2 * k + n, length));
            add_scaled(split.row_mut(k), SCALING[n], &row);
            add_scaled(split.row_mut(half + k), WAVELET[n], &row);
        }
    }
}

/// The transpose of [`split_rows`].
fn merge_rows<S: Scalar>(split: &View<'_, S>, x: &mut View<'_, S>) {
    let (length, half) = (x.len_of(Axis(0)), x.len_of(Axis(0)) / 2);
    x.fill(S::ZERO);
    for k in 0..half {
        for n in 0..8 {
            let at = wrapped(2 * k + n, length);
            add_scaled(x.row_mut(at), SCALING[n], &split.row(k));
            add_scaled(x.row_mut(at), WAVELET[n], &split.row(half + k));
        }
    }
}

fn add_scaled<S: Scalar>(mut sum: ArrayViewMut1<'_, S>, factor: f32, row: &ArrayView1<'_, S>) {
    sum.zip_mut_with(row, |sum, &value| *sum = sum.add_scaled(factor, value));
}

/// An index within eight of the end, made periodic; a loop because the filter may be longer than the line.
fn wrapped(mut index: usize, length: usize) -> usize {
    while index >= length {
        index -= length;
    }
    index
}

impl LinearOperator for Wavelet {
    type Image = Array2<f32>;
    type Data = Array2<f32>;

    fn image_shape(&self) -> Vec<usize> {
        vec![self.image.0, self.image.1]
    }
    fn data_shape(&self) -> Vec<usize> {
        vec![self.padded.0, self.padded.1]
    }
    fn forward(&self, image: &Array2<f32>) -> Array2<f32> {
        self.analyse(image)
    }
    fn adjoint(&self, data: &Array2<f32>) -> Array2<f32> {
        self.synthesise(data)
    }
    fn normal(&self, image: &Array2<f32>) -> Array2<f32> {
        image.clone()
    }
}

impl Transform for Wavelet {
    fn inverse(&self, data: &Array2<f32>) -> Array2<f32> {
        self.synthesise(data)
    }
}

#[cfg(test)]
mod tests;
