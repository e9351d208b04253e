//! The leading eigenvectors of a small Hermitian matrix at every pixel.

use ndarray::{Array2, Array3, ArrayViewMut1, s};
use num_complex::Complex32;
use std::f64::consts::TAU;

/// Rounds of power iteration; it ends earlier where it has come to rest.
const ROUNDS: usize = 60;
/// The squared change of a vector of length one at which it rests.
const AT_REST: f32 = 1e-11;

/// Matrices `H_cd(x) = Σ_e w_cd(e) e^{−2πi e·x/N}` across coils.
pub(super) struct Pointwise {
    /// Axes (pair, row, col) of `w_cd(e)` for c ≤ d in lexicographic order.
    crossed: Array3<Complex32>,
    coils: usize,
    /// `e^{−2πi e x/N}` along rows and along columns, axes (x, e).
    waves: [Array2<Complex32>; 2],
}

/// Eigenvectors and eigenvalues along a row of the image.
pub(super) struct EigenRow {
    /// Axes (col, set, coil).
    pub(super) vectors: Array3<Complex32>,
    /// Axes (col, set).
    pub(super) values: Array2<f32>,
}

impl Pointwise {
    pub(super) fn new(crossed: &Array3<Complex32>, coils: usize, (rows, cols): (usize, usize)) -> Self {
        let (_, height, width) = crossed.dim();
        Self { crossed: crossed.clone(), coils, waves: [waves(rows, height), waves(cols, width)] }
    }

    /// The `sets` leading eigenvectors at the pixels of a row.
    pub(super) fn row(&self, row: usize, sets: usize) -> EigenRow {
        let (pairs, _, width) = self.crossed.dim();
        let mut along = Array2::<Complex32>::zeros((pairs, width));
        for (mut line, crossed) in along.outer_iter_mut().zip(self.crossed.outer_iter()) {
            for (weights, &wave) in crossed.outer_iter().zip(self.waves[0].row(row)) {
                line.zip_mut_with(&weights, |sum, &weight| *sum += weight * wave);
            }
        }
        let cols = self.waves[1].nrows();
        let mut vectors = Array3::zeros((cols, sets, self.coils));
        let mut values = Array2::zeros((cols, sets));
        let mut matrix = Array2::zeros((self.coils, self.coils));
        for col in 0..cols {
            self.fill(&mut matrix, &along, col);
            for set in 0..sets {
                let (before, after) = vectors.multi_slice_mut((s![col, ..set, ..], s![col, set, ..]));
                values[[col, set]] = leading(&matrix, &before.view(), after);
            }
        }
        EigenRow { vectors, values }
    }

    /// `H(x)` of a pixel.
    fn fill(&self, matrix: &mut Array2<Complex32>, along: &Array2<Complex32>, col: usize) {
        let wave = self.waves[1].row(col);
        let mut pairs = along.outer_iter();
        for c in 0..self.coils {
            for (d, line) in (c..self.coils).zip(&mut pairs) {
                let value: Complex32 = line.iter().zip(wave).map(|(line, wave)| line * wave).sum();
                matrix[[c, d]] = value;
                matrix[[d, c]] = value.conj();
            }
        }
    }
}

fn waves(length: usize, offsets: usize) -> Array2<Complex32> {
    Array2::from_shape_fn((length, offsets), |(x, e)| {
        let (x, e) = (x as f64 - (length / 2) as f64, e as f64 - (offsets / 2) as f64);
        let turn = -TAU * e * x / length as f64;
        Complex32::new(turn.cos() as f32, turn.sin() as f32)
    })
}

/// The leading eigenvector across to those `before` into `vector`, by power iteration from the longest column; its eigenvalue.
pub(super) fn leading(
    matrix: &Array2<Complex32>,
    before: &ndarray::ArrayView2<'_, Complex32>,
    mut vector: ArrayViewMut1<'_, Complex32>,
) -> f32 {
    let mut here = start(matrix, before);
    let mut next = here.clone();
    let mut value = 0.0;
    for _ in 0..ROUNDS {
        for (next, row) in next.iter_mut().zip(matrix.outer_iter()) {
            *next = row.iter().zip(&here).map(|(a, b)| a * b).sum();
        }
        deflate(&mut next, before);
        value = length(&next);
        if value <= f32::MIN_POSITIVE {
            break;
        }
        next.iter_mut().for_each(|v| *v /= value);
        let change: f32 = next.iter().zip(&here).map(|(a, b)| (a - b).norm_sqr()).sum();
        std::mem::swap(&mut here, &mut next);
        if change < AT_REST {
            break;
        }
    }
    vector.iter_mut().zip(&here).for_each(|(vector, &value)| *vector = value);
    value
}

/// The longest column across to those `before`, with length one.
fn start(matrix: &Array2<Complex32>, before: &ndarray::ArrayView2<'_, Complex32>) -> Vec<Complex32> {
    let mut best = (0.0, vec![Complex32::default(); matrix.nrows()]);
    for column in matrix.columns() {
        let mut column = column.to_vec();
        deflate(&mut column, before);
        let size = length(&column);
        if size > best.0 {
            best = (size, column);
        }
    }
    let (size, mut column) = best;
    if size > 0.0 {
        column.iter_mut().for_each(|v| *v /= size);
    }
    column
}

fn deflate(vector: &mut [Complex32], before: &ndarray::ArrayView2<'_, Complex32>) {
    for other in before.outer_iter() {
        let along: Complex32 = other.iter().zip(&*vector).map(|(a, b)| a.conj() * b).sum();
        vector.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
    }
}

fn length(vector: &[Complex32]) -> f32 {
    vector.iter().map(Complex32::norm_sqr).sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::linear::Eigen;
    use super::*;
    use crate::Field;
    use num_complex::Complex64;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_leading_two_are_those_of_the_full_decomposition() {
        let half = Array2::<Complex32>::randn(&[5, 3], &mut ChaCha8Rng::seed_from_u64(2));
        let matrix = ndarray::linalg::Dot::dot(&half, &half.t().mapv(|v| v.conj()));
        let wide = matrix.mapv(|v| Complex64::new(v.re.into(), v.im.into()));
        let expected = Eigen::all(wide);
        let mut found = Array2::<Complex32>::zeros((2, 5));
        for set in 0..2 {
            let (before, here) = found.multi_slice_mut((s![..set, ..], s![set, ..]));
            let value = leading(&matrix, &before.view(), here);
            assert!((f64::from(value) - expected.values[set]).abs() < 1e-4 * expected.values[0]);
            let aligned: Complex64 = found
                .row(set)
                .iter()
                .zip(expected.vectors.row(set))
                .map(|(a, b)| Complex64::new(a.re.into(), -f64::from(a.im)) * b)
                .sum();
            assert!((aligned.norm() - 1.0).abs() < 1e-4, "{set}: {aligned}");
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        let mut vector = ndarray::Array1::zeros(3);
        let value = leading(&Array2::zeros((3, 3)), &Array2::zeros((0, 3)).view(), vector.view_mut());
        assert!(value == 0.0 && vector.iter().all(|v: &Complex32| v.norm() == 0.0));
    }
}
