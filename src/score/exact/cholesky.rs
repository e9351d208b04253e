//! The Cholesky factor of a small matrix. Not in ndarray, and a linear algebra library would be needed for this alone.

use candle_core::{Result, bail};
use ndarray::{Array1, Array2};

/// The lower triangular `L` with `L Lᵀ = matrix`.
///
/// # Errors
/// When the matrix is not positive definite.
pub(in crate::score) fn cholesky(matrix: &Array2<f64>) -> Result<Array2<f64>> {
    let side = matrix.nrows();
    let mut factor = Array2::<f64>::zeros((side, side));
    for i in 0..side {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| factor[[i, k]] * factor[[j, k]]).sum();
            let rest = matrix[[i, j]] - known;
            if i > j {
                factor[[i, j]] = rest / factor[[j, j]];
            } else if rest > 0.0 {
                factor[[i, i]] = rest.sqrt();
            } else {
                bail!("a covariance is positive definite")
            }
        }
    }
    Ok(factor)
}

/// `(L Lᵀ)⁻¹ v`
pub(in crate::score) fn solve(factor: &Array2<f64>, mut v: Array1<f64>) -> Array1<f64> {
    let side = v.len();
    for i in 0..side {
        let known: f64 = (0..i).map(|k| factor[[i, k]] * v[k]).sum();
        v[i] = (v[i] - known) / factor[[i, i]];
    }
    for i in (0..side).rev() {
        let known: f64 = (i + 1..side).map(|k| factor[[k, i]] * v[k]).sum();
        v[i] = (v[i] - known) / factor[[i, i]];
    }
    v
}
