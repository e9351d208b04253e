//! The image of least total variation among those that explain measured lines.

use super::fourier::LineFilter;
use ndarray::{Array2, Zip, s};

/// How far [`least_variation`] goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VariationSettings {
    /// Number of iterations.
    pub iterations: usize,
    /// Step of the image τ, in units of its values; that of the dual variable is `1/(8 τ)`.
    pub step: f32,
}

/// `argmin TV(x)` over the real images whose lines in `measured` are those of `direct`, by the primal-dual method of
/// Chambolle and Pock 2011 from `direct`:
///
/// ```text
/// p ← Π(p + ∇x̄/(8τ)),   Π: |p| ≤ 1 at every pixel
/// x' = direct + F⁻¹ (I − M) F (x + τ div p),   x̄ = 2x' − x,   x ← x'
/// ```
///
/// `direct` is the image of the measured lines and their mirror images, zeros elsewhere; `measured` (M) mirrors itself,
/// frequency zero at index n/2. The variation is isotropic, with differences of 0 across the border. Axes (row, col).
///
/// # Panics
/// When `measured` is not as long as a row.
pub fn least_variation(
    direct: &Array2<f32>,
    measured: &[bool],
    filter: &LineFilter,
    settings: VariationSettings,
) -> Array2<f32> {
    let missing: Vec<bool> = measured.iter().map(|kept| !kept).collect();
    let VariationSettings { iterations, step } = settings;
    let dual_step = 1.0 / (8.0 * step);
    let (mut x, mut ahead) = (direct.clone(), direct.clone());
    let mut down = Array2::<f32>::zeros(direct.raw_dim());
    let mut right = down.clone();
    for _ in 0..iterations {
        climb(&ahead, &mut down, &mut right, dual_step);
        let mut moved = divergence(&down, &right);
        Zip::from(&mut moved).and(&x).for_each(|moved, &x| *moved = x + step * *moved);
        let mut moved = filter.keep(&moved, &missing);
        moved += direct;
        Zip::from(&mut ahead).and(&moved).and(&x).for_each(|ahead, &moved, &x| *ahead = 2.0 * moved - x);
        x = moved;
    }
    x
}

/// `Π(p + s ∇x)` of the two parts of the dual variable.
fn climb(x: &Array2<f32>, down: &mut Array2<f32>, right: &mut Array2<f32>, step: f32) {
    let (rows, cols) = x.dim();
    if rows == 0 || cols == 0 {
        return;
    }
    Zip::from(down.slice_mut(s![..rows - 1, ..]))
        .and(x.slice(s![1.., ..]))
        .and(x.slice(s![..rows - 1, ..]))
        .for_each(|p, &next, &here| *p += step * (next - here));
    Zip::from(right.slice_mut(s![.., ..cols - 1]))
        .and(x.slice(s![.., 1..]))
        .and(x.slice(s![.., ..cols - 1]))
        .for_each(|p, &next, &here| *p += step * (next - here));
    Zip::from(down).and(right).for_each(|down, right| {
        let size = down.hypot(*right).max(1.0);
        (*down, *right) = (*down / size, *right / size);
    });
}

/// `div p`, the negative adjoint of the differences.
fn divergence(down: &Array2<f32>, right: &Array2<f32>) -> Array2<f32> {
    let (rows, cols) = down.dim();
    let mut sum = down + right;
    if rows > 0 && cols > 0 {
        let mut below = sum.slice_mut(s![1.., ..]);
        below -= &down.slice(s![..rows - 1, ..]);
        let mut beside = sum.slice_mut(s![.., 1..]);
        beside -= &right.slice(s![.., ..cols - 1]);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;
    use crate::mri::masks::mirrored_lines;

    fn box_image() -> Array2<f32> {
        let inside = |i, j| (10..30).contains(&i) && (20..45).contains(&j);
        Array2::from_shape_fn((40, 64), |(i, j)| f32::from(u8::from(inside(i, j))))
    }

    fn variation(x: &Array2<f32>) -> f64 {
        let size = |(i, j): (usize, usize)| (x[[i + 1, j]] - x[[i, j]]).hypot(x[[i, j + 1]] - x[[i, j]]);
        ndarray::indices((39, 63)).into_iter().map(|at| f64::from(size(at))).sum()
    }

    #[test]
    fn it_explains_the_data_and_varies_less() {
        let plan = crate::SamplingPlan { offset: Some(1), ..crate::SamplingPlan::equispaced(4.0) };
        let lines = mirrored_lines(plan.mask(1, 64).expect("possible").kept());
        let filter = LineFilter::new(64);
        let truth = box_image();
        let direct = filter.keep(&truth, &lines);
        let settings = VariationSettings { iterations: 200, step: 0.1 };
        let found = least_variation(&direct, &lines, &filter, settings);
        assert!((filter.keep(&found, &lines) - &direct).norm() < 1e-5 * direct.norm());
        assert!(variation(&found) < 0.75 * variation(&direct));
        assert!((&found - &truth).norm() < 0.2 * (&direct - &truth).norm());
    }

    #[test]
    fn all_lines_leave_nothing_to_find_and_no_pixels_nothing_to_do() {
        let filter = LineFilter::new(64);
        let settings = VariationSettings { iterations: 3, step: 0.1 };
        assert_eq!(least_variation(&box_image(), &[true; 64], &filter, settings), box_image());
        assert_eq!(least_variation(&Array2::zeros((0, 64)), &[false; 64], &filter, settings).dim(), (0, 64));
        let thin = least_variation(&Array2::ones((1, 1)), &[false], &LineFilter::new(1), settings);
        assert!(thin[[0, 0]].is_finite());
    }
}
