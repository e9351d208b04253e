//! Slices at another resolution or turned a little.
//!
//! Interpolation is by the cubic of Keys 1981 with a = −1/2. To make a slice smaller the cubic is widened by the
//! same factor, so that no detail folds back.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, Zip};

/// The slice with `factor` times as many rows and columns, at least one; values stay at or above 0.
pub(super) fn resize(slice: &ArrayView2<'_, f32>, factor: f64) -> Array2<f32> {
    let side = |n: usize| ((n as f64 * factor).round() as usize).max(1);
    let wide = along(slice, Axis(1), side(slice.ncols()));
    along(&wide.view(), Axis(0), side(slice.nrows())).mapv_into(|v| v.max(0.0))
}

fn along(slice: &ArrayView2<'_, f32>, axis: Axis, count: usize) -> Array2<f32> {
    let mut shape = [slice.nrows(), slice.ncols()];
    let weights = Taps::list(slice.len_of(axis), count);
    shape[axis.index()] = count;
    let mut out = Array2::zeros(shape);
    Zip::from(out.lanes_mut(axis)).and(slice.lanes(axis)).for_each(|mut to, from| {
        to.iter_mut().zip(&weights).for_each(|(value, taps)| *value = taps.apply(&from));
    });
    out
}

/// What one sample of a line is made of.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Taps {
    /// For `count` samples over the extent of `length`.
    fn list(length: usize, count: usize) -> Vec<Self> {
        let step = length as f64 / count as f64;
        let width = step.max(1.0);
        let taps = |i: usize| {
            let centre = (i as f64 + 0.5) * step - 0.5;
            let first = (centre - 2.0 * width).ceil().max(0.0) as usize;
            let last = ((centre + 2.0 * width).floor() as usize).min(length - 1);
            let raw: Vec<f64> = (first..=last).map(|j| cubic((j as f64 - centre) / width)).collect();
            let sum: f64 = raw.iter().sum();
            Self { first, weights: raw.into_iter().map(|w| (w / sum) as f32).collect() }
        };
        (0..count).map(taps).collect()
    }

    fn apply(&self, line: &ArrayView1<'_, f32>) -> f32 {
        self.weights.iter().zip(line.iter().skip(self.first)).map(|(w, v)| w * v).sum()
    }
}

/// The slice turned by `degrees` about its centre; what comes from outside is 0, values stay at or above 0.
pub(super) fn rotate(slice: &ArrayView2<'_, f32>, degrees: f64) -> Array2<f32> {
    let (rows, cols) = slice.dim();
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (row, col) = ((rows as f64 - 1.0) / 2.0, (cols as f64 - 1.0) / 2.0);
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let (y, x) = (i as f64 - row, j as f64 - col);
        sample(slice, row + cos * y - sin * x, col + sin * y + cos * x).max(0.0)
    })
}

fn sample(slice: &ArrayView2<'_, f32>, y: f64, x: f64) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    let line = |fraction: f64| [-1.0, 0.0, 1.0, 2.0].map(|at: f64| cubic(fraction - at) as f32);
    let (down, across) = (line(y - top), line(x - left));
    let mut sum = 0.0;
    for (i, wy) in (top as isize - 1..).zip(down) {
        for (j, wx) in (left as isize - 1..).zip(across) {
            let (Ok(i), Ok(j)) = (usize::try_from(i), usize::try_from(j)) else { continue };
            sum += wy * wx * slice.get((i, j)).copied().unwrap_or(0.0);
        }
    }
    sum
}

fn cubic(x: f64) -> f64 {
    match x.abs() {
        x if x <= 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

/// The means of 2x2 pixels; an odd last row or column is left out.
pub(super) fn halve(slice: &ArrayView2<'_, f32>) -> Array2<f32> {
    Array2::from_shape_fn((slice.nrows() / 2, slice.ncols() / 2), |(i, j)| {
        let at = |di, dj| slice[[2 * i + di, 2 * j + dj]];
        0.25 * (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// A smooth bump, which both cubics follow well.
    fn bump(side: usize, turn: f64) -> Array2<f32> {
        let centre = (side as f64 - 1.0) / 2.0;
        let (sin, cos) = turn.to_radians().sin_cos();
        Array2::from_shape_fn((side, side), |(i, j)| {
            let (y, x) = ((i as f64 - centre) / side as f64, (j as f64 - centre) / side as f64);
            let (y, x) = (cos * y - sin * x, sin * y + cos * x);
            (-(y / 0.12).powi(2) - (x / 0.15 - 0.3).powi(2)).exp() as f32
        })
    }

    fn worst(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
        assert_eq!(a.dim(), b.dim());
        a.iter().zip(b).fold(0.0, |m, (a, b)| m.max((a - b).abs()))
    }

    #[test]
    fn a_smooth_image_keeps_its_shape() {
        for (factor, side) in [(0.75, 60), (1.25, 100)] {
            let error = worst(&resize(&bump(80, 0.0).view(), factor), &bump(side, 0.0));
            println!("{factor}: {error:.1e}");
            assert!(error < 3e-3, "{factor}: {error}");
        }
        let error = worst(&rotate(&bump(80, 0.0).view(), 10.0), &bump(80, 10.0));
        println!("turned: {error:.1e}");
        assert!(error < 2e-3, "{error}");
    }

    #[test]
    fn what_is_too_fine_vanishes_instead_of_folding_back() {
        let stripes = Array2::from_shape_fn((40, 40), |(_, j)| (j % 2) as f32);
        let small = resize(&stripes.view(), 0.7);
        let inner = small.slice(ndarray::s![.., 4..small.ncols() - 4]);
        // 0.094 measured; without the widening it would be 0.5.
        assert!(inner.iter().all(|v| (v - 0.5).abs() < 0.15), "{inner:?}");
    }

    #[test]
    fn means_of_four() {
        assert_eq!(halve(&array![[1.0, 3.0, 9.0], [5.0, 7.0, 9.0]].view()), array![[4.0]]);
    }
}
