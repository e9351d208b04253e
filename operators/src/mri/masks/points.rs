//! Patterns of single points: what they share, and the Gaussian one.

use super::draw::{GAUSSIAN_WIDTH, too_large, weighted_draw};
use crate::OperatorError;
use rand_chacha::ChaCha8Rng;

/// A fully sampled rectangle around index (rows/2, cols/2) with `fraction` of the area.
pub(super) fn center_rectangle(rows: usize, cols: usize, fraction: f64) -> Vec<bool> {
    let side = |length: usize| {
        let side = (length as f64 * fraction.sqrt()).round() as usize;
        let start = (length - side).div_ceil(2);
        start..start + side
    };
    let (high, wide) = (side(rows), side(cols));
    (0..rows * cols).map(|n| high.contains(&(n / cols)) && wide.contains(&(n % cols))).collect()
}

/// How many of `kept` there are, how many there shall be.
pub(super) fn budget(kept: &[bool], acceleration: f64) -> Result<usize, OperatorError> {
    let center = kept.iter().filter(|&&kept| kept).count();
    let target = ((kept.len() as f64 / acceleration).round() as usize).max(1);
    if center > target { Err(too_large(kept.len(), center, acceleration)) } else { Ok(target) }
}

/// `rows·cols/R` points with a Gaussian density of a sixth of either axis around the centre.
pub(super) fn gaussian(
    rows: usize,
    cols: usize,
    acceleration: f64,
    center: f64,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<bool>, OperatorError> {
    let mut kept = center_rectangle(rows, cols, center);
    let target = budget(&kept, acceleration)?;
    let scaled =
        |index: usize, length: usize| (index as f64 - (length / 2) as f64) / (GAUSSIAN_WIDTH * length as f64);
    let log_density = |n: usize| -0.5 * (scaled(n / cols, rows).powi(2) + scaled(n % cols, cols).powi(2));
    weighted_draw(&mut kept, target, log_density, rng);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_draw_follows_its_density() {
        let mut counts = [0; 3];
        let weights: [f64; 3] = [1.0, 2.0, 5.0];
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..8000 {
            let mut kept = [false; 3];
            weighted_draw(&mut kept, 1, |n| weights[n].ln(), &mut rng);
            counts[kept.iter().position(|&kept| kept).unwrap()] += 1;
        }
        for (count, weight) in counts.into_iter().zip(weights) {
            assert!((f64::from(count) / 1000.0 - weight).abs() < 0.15, "{counts:?}");
        }
    }

    #[test]
    fn the_centre_is_kept_and_counted() {
        let kept = gaussian(40, 60, 5.0, 0.04, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
        assert_eq!(kept.iter().filter(|&&kept| kept).count(), 480);
        assert!((16..24).all(|i| (24..36).all(|j| kept[i * 60 + j])));
    }
}
