//! How much noise parallel imaging adds.

use super::linear::{cholesky, solve_lower};
use super::sense::Sense;
use crate::{Field, LinearOperator, Mask, OperatorError, PhaseAxis};
use ndarray::{Array2, Array3, Axis, s};
use num_complex::{Complex32, Complex64};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The g-factor of SENSE for every `acceleration`-th line, in closed form: axes (row, col).
///
/// The R pixels that fall onto one another, `n/R` apart along the phase axis, have the maps S (coil × pixel); there
/// `g_k = √((SᴴS)⁻¹_kk (SᴴS)_kk)` (Pruessmann et al. 1999, with white noise; [`NoiseCovariance::whiten`](super::NoiseCovariance::whiten)
/// the maps first otherwise). It is 1 where nothing is added, 0 where all maps are zero, and infinite where the maps cannot tell
/// the pixels apart.
///
/// # Errors
/// [`OperatorError::UnevenFolding`] unless the acceleration divides the number of lines.
pub fn g_factor(
    maps: &Array3<Complex32>,
    acceleration: usize,
    axis: PhaseAxis,
) -> Result<Array2<f32>, OperatorError> {
    let maps = match axis {
        PhaseAxis::Columns => maps.view(),
        PhaseAxis::Rows => maps.view().permuted_axes([0, 2, 1]),
    };
    let (_, rows, lines) = maps.dim();
    if acceleration == 0 || lines % acceleration != 0 {
        return Err(OperatorError::UnevenFolding { lines, acceleration });
    }
    let distance = lines / acceleration;
    let mut factors = Array2::zeros((rows, lines));
    for i in 0..rows {
        for first in 0..distance {
            let seen = |j: &usize| maps.slice(s![.., i, *j]).iter().any(|map| map.norm_sqr() > 0.0);
            let pixels: Vec<usize> = (first..lines).step_by(distance).filter(seen).collect();
            let columns: Vec<_> = pixels.iter().map(|&j| maps.slice(s![.., i, j])).collect();
            for (&j, value) in pixels.iter().zip(amplifications(&columns)) {
                factors[[i, j]] = value;
            }
        }
    }
    Ok(match axis {
        PhaseAxis::Columns => factors,
        PhaseAxis::Rows => factors.reversed_axes().as_standard_layout().into_owned(),
    })
}

/// `√((SᴴS)⁻¹_kk (SᴴS)_kk)` for the columns of S.
fn amplifications(columns: &[ndarray::ArrayView1<'_, Complex32>]) -> Vec<f32> {
    let count = columns.len();
    let gram = Array2::from_shape_fn((count, count), |(a, b)| {
        let pairs = columns[a].iter().zip(columns[b]);
        pairs
            .map(|(&a, &b)| super::calibration::widen(a).conj() * super::calibration::widen(b))
            .sum::<Complex64>()
    });
    let Some(lower) = cholesky(&gram) else { return vec![f32::INFINITY; count] };
    // (L Lᴴ)⁻¹_kk = ‖L⁻¹ e_k‖²
    let mut inverse = Array2::eye(count);
    solve_lower(&lower, &mut inverse);
    let diagonal =
        inverse.columns().into_iter().map(|column| column.iter().map(Complex64::norm_sqr).sum::<f64>());
    diagonal.zip(gram.diag()).map(|(inverse, gram)| (inverse * gram.re).sqrt().max(1.0) as f32).collect()
}

/// The g-factor of any linear reconstruction by pseudo replicas (Robson et al., Magn. Reson. Med. 60, 2008): axes (row, col).
///
/// White noise on the samples that `mask` keeps (one flag a sample of one coil) is reconstructed `replicas` times; with the
/// standard deviation σ(x) of the results, noise of 1, R samples for each that is kept, and `‖s(x)‖` of the maps,
/// `g(x) = σ(x) ‖s(x)‖/√R`. Its relative error is about `1/(2 √replicas)`. 0 where all maps are zero.
///
/// # Errors
/// [`OperatorError::MaskLength`] when the mask has another size.
pub fn g_factor_by_replicas(
    sense: &Sense,
    mask: &Mask,
    (replicas, seed): (usize, u64),
    reconstruct: impl Fn(&Array3<Complex32>) -> Array2<Complex32>,
) -> Result<Array2<f32>, OperatorError> {
    let shape = sense.data_shape();
    let (coils, entries) = (sense.maps().len_of(Axis(0)), sense.energy().len());
    let flags = mask.kept().len();
    if flags != entries {
        return Err(OperatorError::MaskLength { flags, entries });
    }
    let over_coils = mask.over_coils(coils);
    let mut energy = Array2::<f64>::zeros(sense.energy().raw_dim());
    for replica in 0..replicas {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(replica as u64);
        let image = reconstruct(&over_coils.select(Array3::randn(&shape, &mut rng)));
        energy.zip_mut_with(&image, |sum, value| *sum += f64::from(value.norm_sqr()));
    }
    let acceleration = entries as f64 / mask.count().max(1) as f64;
    let scale = 1.0 / (2.0 * replicas.max(1) as f64 * acceleration);
    let factors = energy.iter().zip(sense.energy());
    let factors = factors.map(|(energy, &map)| (energy * scale * f64::from(map)).sqrt() as f32).collect();
    Ok(Array2::from_shape_vec(energy.raw_dim(), factors).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mri::coils::birdcage;
    use crate::solvers::conjugate_gradient;
    use crate::{Problem, Transform};

    #[test]
    fn without_acceleration_nothing_is_added() {
        for axis in [PhaseAxis::Columns, PhaseAxis::Rows] {
            let found = g_factor(&birdcage(4, 9, 12), 1, axis).unwrap();
            assert!(found.dim() == (9, 12) && found.iter().all(|value| (value - 1.0).abs() < 1e-6));
        }
        let sense = Sense::new(birdcage(4, 9, 12)).unwrap();
        let found =
            g_factor_by_replicas(&sense, &Mask::full(108), (400, 1), |data| sense.inverse(data)).unwrap();
        // Each value is within five of its errors, the mean within five of its own.
        assert!(found.iter().all(|value| (value - 1.0).abs() < 5.0 / (2.0 * 20.0)));
        assert!((found.mean().unwrap() - 1.0).abs() < 5.0 / (2.0 * 20.0 * 108_f32.sqrt()));
    }

    #[test]
    fn two_orthogonal_pixels_and_two_equal_ones() {
        let mut maps = Array3::zeros((2, 1, 4));
        for (coil, col) in [(0, 0), (1, 2), (0, 1), (0, 3)] {
            maps[[coil, 0, col]] = Complex32::new(0.0, 2.0);
        }
        let found = g_factor(&maps, 2, PhaseAxis::Columns).unwrap();
        assert_eq!(found.row(0).to_vec(), [1.0, f32::INFINITY, 1.0, f32::INFINITY]);
        maps.slice_mut(s![.., .., 3]).fill(Complex32::default());
        let found = g_factor(&maps, 2, PhaseAxis::Columns).unwrap();
        assert_eq!(found.row(0).to_vec(), [1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn replicas_agree_with_the_closed_form() {
        let (rows, cols) = (8, 12);
        let sense = Sense::new(birdcage(6, rows, cols)).unwrap();
        let columns: Vec<bool> = (0..cols).map(|j| j % 3 == 0).collect();
        let mask = Mask::columns(rows, &columns);
        let zeros = Array3::zeros((6, rows, cols));
        let problem = Problem::new(sense.clone(), mask.over_coils(6), zeros).unwrap();
        let solve = |data: &Array3<Complex32>| {
            let zero = Array2::zeros((rows, cols));
            conjugate_gradient(|x| problem.normal(x), &problem.adjoint(data), zero, 25, 1e-4)
        };
        let found = g_factor_by_replicas(&sense, &mask, (400, 2), solve).unwrap();
        let expected = g_factor(sense.maps(), 3, PhaseAxis::Columns).unwrap();
        assert!(expected.iter().any(|&value| value > 1.1));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found / expected - 1.0).abs() < 5.0 / (2.0 * 20.0), "{found} {expected}");
        }
    }

    #[test]
    fn lines_that_do_not_fold_evenly_are_refused() {
        assert!(g_factor(&birdcage(4, 9, 12), 5, PhaseAxis::Columns).is_err());
        assert!(g_factor(&birdcage(4, 9, 12), 3, PhaseAxis::Rows).is_ok());
        assert!(g_factor(&birdcage(4, 9, 12), 0, PhaseAxis::Rows).is_err());
        let sense = Sense::new(birdcage(2, 4, 4)).unwrap();
        assert!(g_factor_by_replicas(&sense, &Mask::full(8), (1, 0), |data| sense.inverse(data)).is_err());
    }
}
