//! Small dense Hermitian matrices: eigenvectors and Cholesky factors.

use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use num_complex::Complex64;
use rayon::prelude::*;

/// What rounding leaves of a pivot, as a share of it, where a row depends on those above.
const SINGULAR: f64 = 1e-12;
/// QL steps for one eigenvalue; two are common.
const MOST_STEPS: usize = 60;

/// Eigenvalues from the largest to the smallest, and their eigenvectors of length one as rows.
pub(super) struct Eigen {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Array2<Complex64>,
}

impl Eigen {
    /// Of the Hermitian `matrix`, with the eigenvectors of those of its eigenvalues for which `wanted(value, largest)`.
    ///
    /// Householder's reduction to a real tridiagonal matrix and the implicit QL method (Golub and Van Loan, Matrix
    /// Computations, 4th edition, 8.3).
    pub(super) fn of(matrix: Array2<Complex64>, wanted: impl Fn(f64, f64) -> bool) -> Self {
        let n = matrix.nrows();
        let Tridiagonal { reflectors, phases, mut diagonal, mut beside } = Tridiagonal::of(matrix);
        let mut rotated = Array2::<f64>::eye(n);
        diagonalise(&mut diagonal, &mut beside, &mut rotated);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
        let values: Vec<f64> = order.iter().map(|&at| diagonal[at]).collect();
        let count = values.iter().take_while(|&&value| wanted(value, values[0])).count();
        let mut vectors = Array2::zeros((count, n));
        for (mut vector, &at) in vectors.outer_iter_mut().zip(&order) {
            for (k, value) in vector.iter_mut().enumerate() {
                *value = phases[k] * rotated[[at, k]];
            }
            for (k, reflector) in reflectors.iter().enumerate().rev() {
                let mut tail = vector.slice_mut(s![k + 1..]);
                let along = 2.0 * inner(&reflector.view(), &tail.view());
                tail.zip_mut_with(reflector, |value, &v| *value -= along * v);
            }
        }
        Self { values, vectors }
    }

    /// With all eigenvectors.
    pub(super) fn all(matrix: Array2<Complex64>) -> Self {
        Self::of(matrix, |_, _| true)
    }
}

/// `⟨a, b⟩ = Σ conj(aᵢ) bᵢ`
fn inner(a: &ArrayView1<'_, Complex64>, b: &ArrayView1<'_, Complex64>) -> Complex64 {
    a.iter().zip(b).map(|(a, b)| a.conj() * b).sum()
}

/// `A = Q D T Dᴴ Qᴴ` with reflections Q, phases D and a real tridiagonal T.
struct Tridiagonal {
    /// The vectors v of the reflections `1 − 2 v vᴴ`, the k-th over the entries from k + 1.
    reflectors: Vec<Array1<Complex64>>,
    phases: Vec<Complex64>,
    diagonal: Vec<f64>,
    /// `beside[k]` couples k and k + 1; the last is zero.
    beside: Vec<f64>,
}

impl Tridiagonal {
    fn of(mut a: Array2<Complex64>) -> Self {
        let n = a.nrows();
        let mut reflectors = Vec::with_capacity(n);
        let mut coupling = Vec::with_capacity(n);
        for k in 0..n.saturating_sub(1) {
            let mut v = a.slice(s![k + 1.., k]).to_owned();
            let length = v.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
            let turned = if v[0].norm() > 0.0 { v[0] / v[0].norm() } else { Complex64::ONE };
            let beside = -turned * length;
            coupling.push(beside);
            v[0] -= beside;
            let norm = v.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
            if norm > 0.0 {
                v.mapv_inplace(|value| value / norm);
                reflect(&mut a, k + 1, &v);
            }
            reflectors.push(v);
        }
        coupling.push(Complex64::default());
        let mut phases = vec![Complex64::ONE; n];
        for k in 1..n {
            let size = coupling[k - 1].norm();
            phases[k] = if size > 0.0 { phases[k - 1] * coupling[k - 1] / size } else { phases[k - 1] };
        }
        let diagonal = a.diag().iter().map(|value| value.re).collect();
        let beside = coupling.iter().map(|value| value.norm()).collect();
        Self { reflectors, phases, diagonal, beside }
    }
}

/// `(1 − 2 v vᴴ) A (1 − 2 v vᴴ)` of the square block of A from `start`.
fn reflect(a: &mut Array2<Complex64>, start: usize, v: &Array1<Complex64>) {
    let mut block = a.slice_mut(s![start.., start..]);
    let product: Array1<Complex64> =
        block.outer_iter().map(|row| row.iter().zip(v).map(|(a, v)| a * v).sum()).collect();
    let along = inner(&v.view(), &product.view()).re;
    let w: Array1<Complex64> = product.iter().zip(v).map(|(p, v)| 2.0 * (p - along * v)).collect();
    for ((mut row, &vi), &wi) in block.axis_iter_mut(Axis(0)).zip(v).zip(&w) {
        for ((value, vj), wj) in row.iter_mut().zip(v).zip(&w) {
            *value -= vi * wj.conj() + wi * vj.conj();
        }
    }
}

/// Eigenvalues of a tridiagonal matrix in place of its `diagonal`; the rows of `rotated` become its eigenvectors.
fn diagonalise(diagonal: &mut [f64], beside: &mut [f64], rotated: &mut Array2<f64>) {
    let n = diagonal.len();
    for first in 0..n {
        for _ in 0..MOST_STEPS {
            let small =
                |k: usize| beside[k].abs() <= f64::EPSILON * (diagonal[k].abs() + diagonal[k + 1].abs());
            let last = (first..n - 1).find(|&k| small(k)).unwrap_or(n - 1);
            if last == first {
                break;
            }
            ql_step(diagonal, beside, rotated, (first, last));
        }
    }
}

/// One implicit QL step with Wilkinson's shift on the unreduced block `first..=last`.
fn ql_step(d: &mut [f64], e: &mut [f64], rotated: &mut Array2<f64>, (first, last): (usize, usize)) {
    let half = (d[first + 1] - d[first]) / (2.0 * e[first]);
    let root = half.hypot(1.0).copysign(half);
    let mut bulge = d[last] - d[first] + e[first] / (half + root);
    let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
    for k in (first..last).rev() {
        let (above, beside) = (sine * e[k], cosine * e[k]);
        let length = above.hypot(bulge);
        e[k + 1] = length;
        if length == 0.0 {
            d[k + 1] -= shift;
            e[last] = 0.0;
            return;
        }
        (sine, cosine) = (above / length, bulge / length);
        let moved = d[k + 1] - shift;
        let mixed = (d[k] - moved) * sine + 2.0 * cosine * beside;
        shift = sine * mixed;
        d[k + 1] = moved + shift;
        bulge = cosine * mixed - beside;
        let (lower, upper) = rotated.multi_slice_mut((s![k, ..], s![k + 1, ..]));
        ndarray::Zip::from(lower).and(upper).for_each(|low, high| {
            (*low, *high) = (cosine * *low - sine * *high, sine * *low + cosine * *high);
        });
    }
    d[first] -= shift;
    e[first] = bulge;
    e[last] = 0.0;
}

/// `Σ_k a_ik conj(a_jk)`
pub(super) fn gram(entries: &Array2<Complex64>) -> Array2<Complex64> {
    let count = entries.nrows();
    let rows: Vec<Vec<Complex64>> = (0..count)
        .into_par_iter()
        .map(|i| {
            let here = entries.row(i);
            (0..=i).map(|j| entries.row(j).iter().zip(here).map(|(b, a)| a * b.conj()).sum()).collect()
        })
        .collect();
    Array2::from_shape_fn((count, count), |(i, j)| if j <= i { rows[i][j] } else { rows[j][i].conj() })
}

/// The lower L with `L Lᴴ = A` of a Hermitian A; none unless A is positive definite beyond rounding.
pub(super) fn cholesky(a: &Array2<Complex64>) -> Option<Array2<Complex64>> {
    let n = a.nrows();
    let mut lower = Array2::<Complex64>::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let known = inner(&lower.slice(s![j, ..j]), &lower.slice(s![i, ..j]));
            let rest = a[[i, j]] - known;
            lower[[i, j]] = if i > j { rest / lower[[j, j]].re } else { Complex64::from(rest.re.sqrt()) };
        }
        // Not a number where the rest is negative.
        let independent = lower[[i, i]].re.powi(2) > SINGULAR * a[[i, i]].re;
        if !independent {
            return None;
        }
    }
    Some(lower)
}

/// `L⁻¹ b` in place of b, for one right-hand side a row of entries.
pub(super) fn solve_lower(lower: &Array2<Complex64>, b: &mut Array2<Complex64>) {
    for i in 0..lower.nrows() {
        let (before, mut here) = b.multi_slice_mut((s![..i, ..], s![i, ..]));
        for (j, row) in before.outer_iter().enumerate() {
            let factor = lower[[i, j]];
            here.zip_mut_with(&row, |value, &known| *value -= factor * known);
        }
        let pivot = lower[[i, i]];
        here.mapv_inplace(|value| value / pivot);
    }
}

/// `L⁻ᴴ b` in place of b.
pub(super) fn solve_upper(lower: &Array2<Complex64>, b: &mut Array2<Complex64>) {
    let n = lower.nrows();
    for i in (0..n).rev() {
        let (mut here, after) = b.multi_slice_mut((s![i, ..], s![i + 1.., ..]));
        for (j, row) in after.outer_iter().enumerate() {
            let factor = lower[[i + 1 + j, i]].conj();
            here.zip_mut_with(&row, |value, &known| *value -= factor * known);
        }
        let pivot = lower[[i, i]].conj();
        here.mapv_inplace(|value| value / pivot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;
    use num_complex::Complex32;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn random(rows: usize, cols: usize, seed: u64) -> Array2<Complex64> {
        let values = Array2::<Complex32>::randn(&[rows, cols], &mut ChaCha8Rng::seed_from_u64(seed));
        values.mapv(|v| Complex64::new(v.re.into(), v.im.into()))
    }

    fn adjoint(a: &Array2<Complex64>) -> Array2<Complex64> {
        a.t().mapv(|v| v.conj())
    }

    fn size(a: &Array2<Complex64>) -> f64 {
        a.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn eigenvectors_diagonalise(n in 1_usize..14, rank in 1_usize..16, seed in 0_u64..1000) {
            let half = random(n, rank, seed);
            let matrix = half.dot(&adjoint(&half));
            let Eigen { values, vectors } = Eigen::all(matrix.clone());
            let scaled = Array2::from_shape_fn((n, n), |(i, j)| vectors[[i, j]].conj() * values[i]);
            let rebuilt = vectors.t().dot(&scaled);
            prop_assert!(size(&(&rebuilt - &matrix)) < 1e-12 * size(&matrix));
            let unit = vectors.dot(&adjoint(&vectors));
            prop_assert!(size(&(unit - Array2::<Complex64>::eye(n))) < 1e-12 * n as f64);
            prop_assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
            prop_assert!(values.iter().skip(rank).all(|value| value.abs() < 1e-12 * values[0]));
        }

        #[test]
        fn cholesky_factors_solve(n in 1_usize..12, seed in 0_u64..1000) {
            let half = random(n, n + 3, seed);
            let matrix = half.dot(&adjoint(&half));
            let lower = cholesky(&matrix).expect("positive definite");
            prop_assert!(size(&(lower.dot(&adjoint(&lower)) - &matrix)) < 1e-12 * size(&matrix));
            let solution = random(n, 2, seed + 1);
            let mut b = matrix.dot(&solution);
            solve_lower(&lower, &mut b);
            solve_upper(&lower, &mut b);
            prop_assert!(size(&(b - &solution)) < 1e-8 * size(&solution));
        }
    }

    #[test]
    fn only_the_wanted_eigenvectors_are_made() {
        let matrix = Array2::from_diag(&Array1::from(vec![1.0, 5.0, 3.0]).mapv(Complex64::from));
        let found = Eigen::of(matrix, |value, largest| value > 0.5 * largest);
        assert_eq!((found.values, found.vectors.nrows()), (vec![5.0, 3.0, 1.0], 2));
    }

    #[test]
    fn an_indefinite_matrix_has_no_factor() {
        let matrix = ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]]).mapv(Complex64::from);
        assert_eq!(cholesky(&matrix), None);
        assert_eq!(cholesky(&matrix.mapv(|v| v * f64::NAN)), None);
    }
}
