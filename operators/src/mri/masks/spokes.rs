//! Radial sampling on the Cartesian grid.

use super::points::{budget, center_rectangle};
use crate::OperatorError;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::PI;

/// π/φ, φ the golden ratio: every new spoke falls into a largest gap (Winkelmann et al., IEEE Trans. Med.
/// Imaging 26, 2007).
const GOLDEN_ANGLE: f64 = PI * 0.618_033_988_749_894_8;

/// Spokes through the centre, from edge to edge, until one entry in `acceleration` is measured; the seed
/// turns the first.
pub(super) fn radial(
    rows: usize,
    cols: usize,
    acceleration: f64,
    center: f64,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<bool>, OperatorError> {
    let mut kept = center_rectangle(rows, cols, center);
    let target = budget(&kept, acceleration)?;
    let mut count = kept.iter().filter(|&&kept| kept).count();
    let first = rng.random::<f64>() * PI;
    // Ever finer spokes reach every point; the bound only guards against an endless loop.
    for spoke in 0..rows * cols {
        if count >= target {
            break;
        }
        count += mark(&mut kept, (rows, cols), first + spoke as f64 * GOLDEN_ANGLE);
    }
    Ok(kept)
}

/// Marks the nearest grid points of one spoke; returns how many were new.
fn mark(kept: &mut [bool], (rows, cols): (usize, usize), angle: f64) -> usize {
    let (sin, cos) = angle.sin_cos();
    let reach = (rows.max(cols) as f64 * 0.75).ceil() as i64;
    let mut new = 0;
    // Steps of at most one grid point along the longer axis, so that the spoke has no holes.
    let stride = 1.0 / sin.abs().max(cos.abs());
    for step in -reach..=reach {
        let radius = step as f64 * stride;
        let row = (rows / 2) as f64 + (radius * sin).round();
        let col = (cols / 2) as f64 + (radius * cos).round();
        if row >= 0.0 && col >= 0.0 && row < rows as f64 && col < cols as f64 {
            let entry = &mut kept[row as usize * cols + col as usize];
            new += usize::from(!*entry);
            *entry = true;
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn spokes_meet_at_the_centre() {
        let kept = radial(65, 64, 6.0, 0.0, &mut ChaCha8Rng::seed_from_u64(2)).unwrap();
        assert!((30..35).all(|i| (30..35).all(|j| kept[i * 64 + j])));
        let corner = (0..10).flat_map(|i| (0..10).map(move |j| i * 64 + j)).filter(|&n| kept[n]).count();
        assert!(corner > 0 && corner < 30);
    }

    #[test]
    fn one_spoke_is_a_line() {
        let mut kept = vec![false; 49];
        assert_eq!(mark(&mut kept, (7, 7), 0.0), 7);
        assert!(kept[21..28].iter().all(|&kept| kept));
        assert_eq!(mark(&mut kept, (7, 7), PI / 4.0), 6);
    }
}
