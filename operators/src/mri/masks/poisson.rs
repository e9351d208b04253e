//! Variable-density Poisson-disc sampling.

use super::points::{budget, center_rectangle};
use crate::OperatorError;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// How much the distance of points grows from the centre to the middle of an edge of k-space, plus one.
const GROWTH: f64 = 4.0;
/// The scale of the distances is sought between powers of this factor, then by halving the interval.
const BRACKET: f64 = 1.3;
const HALVINGS: usize = 7;

/// `rows·cols/R` points in random order, each no closer to another than `s (1 + GROWTH ρ)`, with ρ the
/// distance from the centre relative to the half axes and s the largest scale that gives enough points.
pub(super) fn disc(
    rows: usize,
    cols: usize,
    acceleration: f64,
    center: f64,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<bool>, OperatorError> {
    let center = center_rectangle(rows, cols, center);
    let target = budget(&center, acceleration)?;
    let missing = target - center.iter().filter(|&&kept| kept).count();
    if missing == 0 {
        return Ok(center);
    }
    let mut order: Vec<usize> = (0..rows * cols).collect();
    order.shuffle(rng);
    let attempt = |scale: f64| throw(&order, &center, cols, |n| scale * growth(n, rows, cols));
    // From below: large distances cost most, and no grid has points closer than one.
    let (mut low, mut high) = (0.1, 0.1 * BRACKET);
    let mut best = attempt(low);
    loop {
        let points = attempt(high);
        if points.len() < missing {
            break;
        }
        (low, high, best) = (high, high * BRACKET, points);
        if low > (rows + cols) as f64 {
            // One point is all that is asked for, and one there always is.
            break;
        }
    }
    for _ in 0..HALVINGS {
        let scale = 0.5 * (low + high);
        let points = attempt(scale);
        if points.len() < missing {
            high = scale;
        } else {
            (low, best) = (scale, points);
        }
    }
    // Dropping the last of a random order keeps the distances and does not favour any place.
    let mut kept = center;
    for &point in best.iter().take(missing) {
        kept[point] = true;
    }
    Ok(kept)
}

fn growth(point: usize, rows: usize, cols: usize) -> f64 {
    let scaled = |index: usize, length: usize| 2.0 * (index as f64 - (length / 2) as f64) / length as f64;
    1.0 + GROWTH * scaled(point / cols, rows).hypot(scaled(point % cols, cols))
}

/// The points of `order`, outside the centre, that are no closer than `distance` to an accepted one.
fn throw(order: &[usize], center: &[bool], cols: usize, distance: impl Fn(usize) -> f64) -> Vec<usize> {
    let rows = center.len() / cols;
    let mut taken = vec![false; center.len()];
    let mut points = Vec::new();
    for &point in order.iter().filter(|&&point| !center[point]) {
        if !crowded(&taken, (rows, cols), (point / cols, point % cols), distance(point)) {
            taken[point] = true;
            points.push(point);
        }
    }
    points
}

fn crowded(taken: &[bool], (rows, cols): (usize, usize), (row, col): (usize, usize), distance: f64) -> bool {
    let in_row = |i: usize, height: usize| {
        let across = (distance * distance - (height * height) as f64).max(0.0).sqrt() as usize;
        let (first, last) = (col.saturating_sub(across), (col + across).min(cols - 1));
        taken[i * cols + first..=i * cols + last].contains(&true)
    };
    // Outwards, because most candidates are turned away by a close neighbour.
    (0..=(distance as usize).min(rows)).any(|height| {
        (height <= row && in_row(row - height, height))
            || (row + height < rows && in_row(row + height, height))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn points_keep_their_distance() {
        let kept = disc(60, 60, 8.0, 0.01, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let center = center_rectangle(60, 60, 0.01);
        let points: Vec<_> = (0..3600).filter(|&n| kept[n] && !center[n]).collect();
        let nearest = |n: usize| {
            let distance =
                |m: usize| ((n / 60).abs_diff(m / 60) as f64).hypot((n % 60).abs_diff(m % 60) as f64);
            points.iter().filter(|&&m| m != n).map(|&m| distance(m)).fold(f64::INFINITY, f64::min)
        };
        let corner: Vec<_> = points.iter().filter(|&&n| growth(n, 60, 60) > 1.0 + GROWTH).collect();
        assert!(corner.len() > 10);
        assert!(corner.iter().all(|&&n| nearest(n) > 2.0));
        let density = |inner: bool| {
            let inside = |n: usize| (growth(n, 60, 60) < 3.0) == inner;
            points.iter().filter(|&&n| inside(n)).count() as f64
                / (0..3600).filter(|&n| inside(n)).count() as f64
        };
        assert!(density(true) > 1.5 * density(false));
    }
}
