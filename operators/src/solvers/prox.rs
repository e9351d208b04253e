//! The proximal map of isotropic total variation.

use crate::Scalar;
use ndarray::{Array2, Zip};
use rayon::prelude::*;

/// Solves `min_x ½‖x − b‖² + weight · TV(x)` (with x ≥ 0 on demand) by fast gradient projection on the dual
/// (Beck and Teboulle, IEEE Trans. Image Process. 18, 2009, Algorithm FGP).
///
/// `TV(x) = Σ √(|x[i+1,j] − x[i,j]|² + |x[i,j+1] − x[i,j]|²)`, differences across the border being zero; for complex
/// images that is one square root for both parts, so the result does not depend on the phase that an image as a whole
/// has. The dual field is kept between calls, so that a sequence of similar problems needs few iterations each.
pub struct TvProx<S = f32> {
    nonnegative: bool,
    /// Dual variable, components down and right.
    dual: Array2<[S; 2]>,
    /// The extrapolated dual variable.
    ahead: Array2<[S; 2]>,
    primal: Array2<S>,
}

impl<S: Scalar> TvProx<S> {
    /// For `rows` × `cols` images; `nonnegative` has no meaning for complex ones.
    pub fn new(rows: usize, cols: usize, nonnegative: bool) -> Self {
        let field = Array2::from_elem((rows, cols), [S::ZERO; 2]);
        let primal = Array2::from_elem((rows, cols), S::ZERO);
        Self { nonnegative, ahead: field.clone(), dual: field, primal }
    }

    /// The minimiser after so many dual steps.
    ///
    /// # Panics
    /// When `b` does not have the shape given at construction.
    pub fn apply(&mut self, b: &Array2<S>, weight: f32, iterations: usize) -> &Array2<S> {
        assert_eq!(b.dim(), self.primal.dim(), "the image does not have the planned shape");
        if weight <= 0.0 || b.is_empty() {
            self.primal.assign(b);
            if self.nonnegative {
                self.primal.mapv_inplace(S::nonnegative);
            }
            return &self.primal;
        }
        self.ahead.assign(&self.dual);
        let mut t = 1.0_f32;
        for _ in 0..iterations {
            let next = 0.5 * (1.0 + (1.0 + 4.0 * t * t).sqrt());
            descend(&mut self.primal, b, &self.ahead, weight, self.nonnegative);
            ascend(&mut self.dual, &mut self.ahead, &self.primal, 0.125 / weight, (t - 1.0) / next);
            t = next;
        }
        descend(&mut self.primal, b, &self.dual, weight, self.nonnegative);
        &self.primal
    }
}

/// `x = b + weight · div p`, projected.
fn descend<S: Scalar>(
    x: &mut Array2<S>,
    b: &Array2<S>,
    dual: &Array2<[S; 2]>,
    weight: f32,
    nonnegative: bool,
) {
    let cols = b.ncols();
    x.outer_iter_mut().into_par_iter().enumerate().with_min_len(16).for_each(|(i, mut x)| {
        let (b, here) = (b.row(i), dual.row(i));
        let above = (i > 0).then(|| dual.row(i - 1));
        for j in 0..cols {
            let down = difference(here[j][0], above.map_or(S::ZERO, |above| above[j][0]));
            let right = difference(here[j][1], if j > 0 { here[j - 1][1] } else { S::ZERO });
            let moved = b[j].add_scaled(weight, down.add_scaled(1.0, right));
            x[j] = if nonnegative { moved.nonnegative() } else { moved };
        }
    });
}

/// `a − b`
fn difference<S: Scalar>(a: S, b: S) -> S {
    a.add_scaled(-1.0, b)
}

/// `p ← P(ahead + step ∇x)` onto |p| ≤ 1, then `ahead = p + momentum (p − p_old)`.
fn ascend<S: Scalar>(
    dual: &mut Array2<[S; 2]>,
    ahead: &mut Array2<[S; 2]>,
    x: &Array2<S>,
    step: f32,
    momentum: f32,
) {
    let (rows, cols) = x.dim();
    Zip::indexed(dual.outer_iter_mut()).and(ahead.outer_iter_mut()).par_for_each(|i, mut dual, mut ahead| {
        let here = x.row(i);
        // The last row is its own neighbour, which makes the difference there zero.
        let below = x.row((i + 1).min(rows - 1));
        for j in 0..cols {
            let right = difference(here[(j + 1).min(cols - 1)], here[j]);
            let down = difference(below[j], here[j]);
            let p = [ahead[j][0].add_scaled(step, down), ahead[j][1].add_scaled(step, right)];
            let shrink = 1.0 / p[0].joint_modulus(p[1]).max(1.0);
            let p = p.map(|p| p.scaled(shrink));
            let old = std::mem::replace(&mut dual[j], p);
            ahead[j] = [0, 1].map(|k| p[k].add_scaled(momentum, difference(p[k], old[k])));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total_variation(x: &Array2<f32>) -> f64 {
        let (rows, cols) = x.dim();
        let at = |i: usize, j: usize| f64::from(x[[i.min(rows - 1), j.min(cols - 1)]]);
        x.indexed_iter().map(|((i, j), _)| (at(i + 1, j) - at(i, j)).hypot(at(i, j + 1) - at(i, j))).sum()
    }

    fn objective(x: &Array2<f32>, b: &Array2<f32>, weight: f32) -> f64 {
        let misfit: f64 = x.iter().zip(b).map(|(&x, &b)| f64::from(x - b).powi(2)).sum();
        0.5 * misfit + f64::from(weight) * total_variation(x)
    }

    #[test]
    fn a_step_is_lowered_by_the_weight_over_its_length() {
        // One row: the minimiser of a jump over m and n pixels moves by weight/m and weight/n.
        let b = Array2::from_shape_fn((1, 10), |(_, j)| if j < 4 { 0.0 } else { 1.0 });
        let mut prox = TvProx::new(1, 10, false);
        let x = prox.apply(&b, 0.2, 2000);
        for j in 0..10 {
            let expected = if j < 4 { 0.2 / 4.0 } else { 1.0 - 0.2 / 6.0 };
            assert!((x[[0, j]] - expected).abs() < 1e-3, "{j}: {}", x[[0, j]]);
        }
    }

    #[test]
    fn nothing_near_the_result_is_better() {
        let b = Array2::from_shape_fn((9, 8), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 5.0 - 0.4);
        let x = TvProx::new(9, 8, false).apply(&b, 0.3, 3000).clone();
        let best = objective(&x, &b, 0.3);
        assert!(best < objective(&b, &b, 0.3));
        for n in 0..72 {
            for move_by in [-0.02, 0.02] {
                let mut other = x.clone();
                other[[n / 8, n % 8]] += move_by;
                assert!(objective(&other, &b, 0.3) > best - 1e-5);
            }
        }
    }

    #[test]
    fn a_warm_start_gets_further() {
        let b = Array2::from_shape_fn((16, 16), |(i, j)| ((i * 7 + j * 5) % 11) as f32);
        let mut prox = TvProx::new(16, 16, true);
        let first = objective(prox.apply(&b, 2.0, 5), &b, 2.0);
        let second = objective(prox.apply(&b, 2.0, 5), &b, 2.0);
        assert!(second < first);
        assert!(prox.apply(&b, 2.0, 5).iter().all(|&value| value >= 0.0));
    }

    #[test]
    fn no_weight_means_no_change() {
        let b = Array2::from_elem((3, 3), -1.0);
        assert_eq!(TvProx::new(3, 3, false).apply(&b, 0.0, 5), &b);
        assert_eq!(TvProx::new(3, 3, true).apply(&b, 0.0, 5), &Array2::<f32>::zeros((3, 3)));
    }

    #[test]
    fn a_real_image_in_another_phase_has_the_same_minimiser() {
        let b = Array2::from_shape_fn((9, 8), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 5.0 - 0.4);
        let real = TvProx::new(9, 8, false).apply(&b, 0.3, 50).clone();
        let turn = num_complex::Complex32::cis(0.7);
        let turned = TvProx::new(9, 8, false).apply(&b.mapv(|v| turn * v), 0.3, 50).clone();
        for (real, turned) in real.iter().zip(&turned) {
            assert!((turn * real - turned).norm() < 1e-5);
        }
    }
}
