//! Unmeasured views between measured ones.

use super::{ParallelBeam, Radon};
use crate::{DataNoise, Mask, OperatorError, Problem};
use ndarray::{Array2, s};
use std::f64::consts::PI;

/// The same measurement on a transform with `factor` times as many angles, sorted: `factor − 1` unmeasured
/// angles at equal distances between every two neighbours, and between the last and the first plus π.
///
/// Filtered back-projection of few views is far from an inverse; of many views it is close. Methods that
/// complete the sinogram of an estimate and invert it need the denser transform. `Λ` keeps its meaning:
/// what was not measured before, and every new view, is unmeasured.
///
/// # Errors
/// When `factor` is 0 or the angles span half a turn or more.
pub fn refine_views(problem: &Problem<Radon>, factor: usize) -> Result<Problem<Radon>, OperatorError> {
    if factor == 0 {
        return Err(OperatorError::RefinementFactor);
    }
    let geometry = problem.transform.geometry();
    let mut order: Vec<usize> = (0..geometry.angles.len()).collect();
    order.sort_by(|&a, &b| geometry.angles[a].total_cmp(&geometry.angles[b]));
    let angles = refine_angles(&geometry.angles, &order, factor)?;
    let bins = geometry.detectors;
    let mut measured = Array2::zeros((angles.len(), bins));
    let mut kept = vec![false; angles.len() * bins];
    // Of what is not measured the noise does not matter.
    let mut stds = vec![1.0; kept.len()];
    for (n, &view) in order.iter().enumerate() {
        let row = n * factor;
        let (from, to) = (view * bins..(view + 1) * bins, row * bins..(row + 1) * bins);
        measured.slice_mut(s![row, ..]).assign(&problem.measured.slice(s![view, ..]));
        if let DataNoise::Independent(coarse) = &problem.noise {
            stds[to.clone()].copy_from_slice(&coarse[from.clone()]);
        }
        kept[to].copy_from_slice(&problem.mask.kept()[from]);
    }
    let transform = Radon::new(ParallelBeam { angles, ..geometry.clone() }, problem.transform.filter())?;
    let noise = match &problem.noise {
        DataNoise::Independent(_) => DataNoise::Independent(stds.into()),
        same => same.clone(),
    };
    Problem::new(transform, Mask::new(kept), measured)?.with_noise(noise)
}

fn refine_angles(angles: &[f64], order: &[usize], factor: usize) -> Result<Vec<f64>, OperatorError> {
    let sorted: Vec<f64> = order.iter().map(|&view| angles[view]).collect();
    let span = sorted[sorted.len() - 1] - sorted[0];
    if span >= PI {
        return Err(OperatorError::AnglesSpanTooMuch { degrees: span.to_degrees() });
    }
    let next = sorted.iter().skip(1).copied().chain([sorted[0] + PI]);
    let between = |(angle, next): (&f64, f64)| {
        let (angle, gap) = (*angle, next - angle);
        (0..factor).map(move |n| angle + gap * n as f64 / factor as f64)
    };
    Ok(sorted.iter().zip(next).flat_map(between).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::dot_test;
    use crate::{Field, Filter, LinearOperator};

    fn problem(angles: Vec<f64>) -> Problem<Radon> {
        let transform =
            Radon::new(ParallelBeam::with_angles(12, 11, 0.7, angles, None), Filter::Hann).unwrap();
        let image = Array2::from_shape_fn((12, 11), |(i, j)| ((i * 3 + j) % 5) as f32);
        let measured = transform.forward(&image);
        Problem::new(transform, Mask::full(measured.len()), measured).unwrap()
    }

    #[test]
    fn measured_rows_stay_and_new_ones_lie_between() {
        let coarse = problem(vec![0.6, 0.0, 1.8]);
        let fine = refine_views(&coarse, 4).unwrap();
        assert_eq!(fine.transform.geometry().angles.len(), 12);
        assert_eq!(fine.transform.filter(), Filter::Hann);
        assert_eq!(fine.measured.row(4), coarse.measured.row(0));
        assert_eq!(fine.mask.count(), coarse.mask.count());
        let image = Array2::from_shape_fn((12, 11), |(i, j)| ((i * 3 + j) % 5) as f32);
        assert!(fine.residual(&image) < 1e-6);
        assert!(fine.transform.geometry().angles.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(dot_test(&fine) < 1e-5);
        assert!(fine.adjoint(&fine.measured).norm() > 0.0);
    }

    #[test]
    fn equal_spacing_stays_equal() {
        let coarse = problem((0..6).map(|n| f64::from(n) * PI / 6.0).collect());
        let fine = refine_views(&coarse, 3).unwrap();
        for (n, angle) in fine.transform.geometry().angles.iter().enumerate() {
            assert!((angle - n as f64 * PI / 18.0).abs() < 1e-12);
        }
    }

    #[test]
    fn what_cannot_be_refined_is_refused() {
        assert!(refine_views(&problem(vec![0.0]), 0).is_err());
        assert!(refine_views(&problem(vec![0.0, PI]), 2).is_err());
    }
}
