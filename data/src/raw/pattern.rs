//! Which samples of a slice were taken, and along which axis lines were skipped.

use super::PhaseAxis;
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;

/// Where any coil has a sample that is not zero, (row, col).
pub(super) fn sampled(slice: &Array3<Complex32>) -> Array2<bool> {
    let (_, rows, cols) = slice.dim();
    let mut found = Array2::from_elem((rows, cols), false);
    for coil in slice.axis_iter(Axis(0)) {
        found.zip_mut_with(&coil, |found, value| *found |= *value != Complex32::ZERO);
    }
    found
}

/// Along which axis lines are missing; nothing if none is missing.
pub(super) fn phase_axis(sampled: &Array2<bool>) -> Option<PhaseAxis> {
    let along = |axis: usize| {
        // A line counts as taken when most of it was, as single samples may happen to be zero.
        let lines: Vec<bool> = sampled
            .axis_iter(Axis(axis))
            .map(|line| 2 * line.iter().filter(|&&taken| taken).count() > line.len())
            .collect();
        let mut whole = sampled.axis_iter(Axis(axis)).zip(&lines).map(|(line, &taken)| {
            let same = line.iter().filter(|&&entry| entry == taken).count();
            100 * same >= 99 * line.len()
        });
        (whole.all(|is| is), lines.contains(&false))
    };
    match (along(0), along(1)) {
        (_, (true, true)) => Some(PhaseAxis::Cols),
        ((true, true), _) => Some(PhaseAxis::Rows),
        _ if sampled.iter().filter(|&&taken| !taken).count() * 100 > sampled.len() => Some(PhaseAxis::Both),
        _ => None,
    }
}

/// A mask of lines, (row, col), of slices of this shape.
pub(super) fn of_lines(lines: &[bool], axis: PhaseAxis, [rows, cols]: [usize; 2]) -> Array2<bool> {
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        let line = if axis == PhaseAxis::Rows { i } else { j };
        lines.get(line).copied().unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_from_scattered_samples() {
        let found = |taken: fn(usize, usize) -> bool| {
            phase_axis(&Array2::from_shape_fn((20, 30), |(i, j)| taken(i, j)))
        };
        assert_eq!(found(|_, j| j % 3 == 0), Some(PhaseAxis::Cols));
        assert_eq!(found(|i, _| i > 2), Some(PhaseAxis::Rows));
        assert_eq!(found(|i, j| (7 * i + 3 * j) % 5 == 0), Some(PhaseAxis::Both));
        assert_eq!(found(|i, j| (i, j) != (3, 4)), None);
    }
}
