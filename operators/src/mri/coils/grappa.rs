//! Missing lines of k-space from their neighbours in all coils.

use super::calibration::{narrow, widen};
use super::linear::{cholesky, gram, solve_lower, solve_upper};
use crate::{OperatorError, PhaseAxis};
use ndarray::{Array2, Array3, s};
use num_complex::{Complex32, Complex64};
use std::collections::BTreeMap;

/// The settings of [`grappa`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrappaSettings {
    /// Measured lines that a missing one is made of, half of them on either side.
    pub lines: usize,
    /// Samples of each of them along the readout.
    pub readout: usize,
    /// Weight λ of the squared kernel, in units of `‖SᴴS‖/n` for n sources S.
    pub regularisation: f64,
}

impl Default for GrappaSettings {
    fn default() -> Self {
        Self { lines: 4, readout: 5, regularisation: 0.01 }
    }
}

/// K-space of all coils with its missing lines filled (GRAPPA; Griswold et al., Magn. Reson. Med. 47, 2002).
///
/// A missing sample is a sum over the nearest measured lines, the samples around it along them and all coils. The weights are
/// those that predict the fully sampled lines in the middle best, `min ‖S w − t‖² + λ ‖SᴴS‖/n ‖w‖²`, for each distance
/// pattern of measured lines by itself. Lines too far from measured ones for the middle to show the pattern stay zero. K-space
/// (coil, row, col); `measured` has a flag for every line along the phase axis.
///
/// # Errors
/// [`OperatorError::NoCoils`]; [`OperatorError::MaskLength`] when there is not a flag for every line;
/// [`OperatorError::NotFinite`]; [`OperatorError::TooFewLines`] when no two lines beside one another were measured.
pub fn grappa(
    kspace: &Array3<Complex32>,
    measured: &[bool],
    axis: PhaseAxis,
    settings: &GrappaSettings,
) -> Result<Array3<Complex32>, OperatorError> {
    let order = match axis {
        PhaseAxis::Columns => [0, 1, 2],
        PhaseAxis::Rows => [0, 2, 1],
    };
    let mut filled = kspace.view().permuted_axes(order).as_standard_layout().into_owned();
    let (coils, _, lines) = filled.dim();
    if coils == 0 {
        return Err(OperatorError::NoCoils);
    }
    if measured.len() != lines {
        return Err(OperatorError::MaskLength { flags: measured.len(), entries: lines });
    }
    if !kspace.iter().all(|value| value.is_finite()) {
        return Err(OperatorError::NotFinite("k-space"));
    }
    let middle = longest_run(measured);
    if middle.1 - middle.0 < 2 {
        return Err(OperatorError::TooFewLines);
    }
    let middle_lines = filled.slice(s![.., .., middle.0..middle.1]).to_owned();
    let mut weights: BTreeMap<Vec<isize>, Option<Kernel>> = BTreeMap::new();
    for line in (0..lines).filter(|&line| !measured[line]) {
        let pattern = sources(measured, line, settings.lines, middle.1 - middle.0);
        let kernel = weights
            .entry(pattern.clone())
            .or_insert_with(|| Kernel::fitted(&middle_lines, pattern, settings));
        if let Some(kernel) = kernel {
            kernel.fill(&mut filled, line);
        }
    }
    Ok(filled.permuted_axes(order).as_standard_layout().into_owned())
}

/// Start and end of the longest run of measured lines; of equals the first.
fn longest_run(measured: &[bool]) -> (usize, usize) {
    let (mut best, mut start) = ((0, 0), 0);
    for (at, &kept) in measured.iter().enumerate() {
        if !kept {
            start = at + 1;
        } else if at + 1 - start > best.1 - best.0 {
            best = (start, at + 1);
        }
    }
    best
}

/// Distances of a missing line to the measured ones nearest to it on either side, as many as span three quarters of `room` lines
/// at most, so that those show the pattern several times.
fn sources(measured: &[bool], line: usize, count: usize, room: usize) -> Vec<isize> {
    let below = (0..line).rev().filter(|&at| measured[at]).take(count.div_ceil(2));
    let above = (line + 1..measured.len()).filter(|&at| measured[at]).take(count.div_ceil(2));
    let distance = |at: usize| at as isize - line as isize;
    let mut found: Vec<isize> = below.chain(above).map(distance).collect();
    found.sort_by_key(|distance| (distance.abs(), *distance));
    while !found.is_empty() && 4 * span(&found) > 3 * room as isize {
        found.pop();
    }
    found.sort_unstable();
    found
}

/// The number of lines from the first to the last, the missing one included.
fn span(distances: &[isize]) -> isize {
    let first = distances.iter().copied().fold(0, isize::min);
    let last = distances.iter().copied().fold(0, isize::max);
    last - first + 1
}

/// The weights of one pattern.
struct Kernel {
    pattern: Vec<isize>,
    readout: usize,
    /// Axes (coil, source), sources ordered (line, sample, coil).
    weights: Array2<Complex32>,
}

impl Kernel {
    /// From fully sampled lines; none where there is nothing to learn from.
    fn fitted(middle: &Array3<Complex32>, pattern: Vec<isize>, settings: &GrappaSettings) -> Option<Self> {
        let (coils, rows, lines) = middle.dim();
        let readout = settings.readout.clamp(1, rows) | 1;
        let first = pattern.iter().copied().fold(0, isize::min).unsigned_abs();
        let places = (lines + 1).checked_sub(span(&pattern).unsigned_abs())?;
        let steps = (rows + 1).checked_sub(readout)?;
        if pattern.is_empty() || places * steps == 0 {
            return None;
        }
        let window = |coil: usize, row: usize, line: usize| {
            middle.slice(s![coil, row..row + steps, line..line + places])
        };
        let sources = pattern.len() * readout * coils;
        let mut entries = Array2::<Complex64>::zeros((sources, places * steps));
        for (n, mut entry) in entries.outer_iter_mut().enumerate() {
            let (at, row, coil) = (n / (readout * coils), n / coils % readout, n % coils);
            let line = first.checked_add_signed(pattern[at])?;
            entry.iter_mut().zip(window(coil, row, line)).for_each(|(entry, &value)| *entry = widen(value));
        }
        let mut normal = gram(&entries).mapv(|value| value.conj());
        let size = normal.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
        normal.diag_mut().mapv_inplace(|value| value + settings.regularisation * size / sources as f64);
        let mut weights = Array2::from_shape_fn((sources, coils), |(n, coil)| {
            let targets = window(coil, readout / 2, first);
            entries.row(n).iter().zip(targets).map(|(source, &target)| source.conj() * widen(target)).sum()
        });
        let lower = cholesky(&normal)?;
        solve_lower(&lower, &mut weights);
        solve_upper(&lower, &mut weights);
        Some(Self { pattern, readout, weights: weights.t().mapv(narrow) })
    }

    /// The samples of a missing line; beyond the ends of the readout there are zeros.
    fn fill(&self, kspace: &mut Array3<Complex32>, line: usize) {
        let (coils, rows, _) = kspace.dim();
        let mut seen = vec![Complex32::default(); self.weights.ncols()];
        for row in 0..rows {
            for (n, seen) in seen.iter_mut().enumerate() {
                let (at, step, coil) = (n / (self.readout * coils), n / coils % self.readout, n % coils);
                let place = (row + step).checked_sub(self.readout / 2).filter(|&place| place < rows);
                let source = line.checked_add_signed(self.pattern[at]);
                *seen = place.zip(source).map_or(Complex32::default(), |(i, j)| kspace[[coil, i, j]]);
            }
            for (coil, weights) in self.weights.outer_iter().enumerate() {
                kspace[[coil, row, line]] = weights.iter().zip(&seen).map(|(w, v)| w * v).sum();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mri::coils::{birdcage, coil_kspace};
    use crate::{Field, Mask};

    fn scan(coils: usize, rows: usize, cols: usize) -> Array3<Complex32> {
        let body = Array2::from_shape_fn((rows, cols), |(i, j)| {
            let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
            let inside = f32::from(u8::from((y / 0.42).hypot(x / 0.38) < 1.0));
            Complex32::from(inside * (1.0 + 0.4 * (0.5 * i as f32).sin() * (0.4 * j as f32).cos()))
        });
        coil_kspace(&(birdcage(coils, rows, cols) * &body))
    }

    fn lines(count: usize, acceleration: usize, middle: usize) -> Vec<bool> {
        (0..count).map(|j| j % acceleration == 0 || j.abs_diff(count / 2) < middle / 2).collect()
    }

    fn errors(acceleration: usize, axis: PhaseAxis) -> (f64, f64) {
        let truth = scan(8, 64, 72);
        let (count, mask) = match axis {
            PhaseAxis::Columns => (72, Mask::columns(64, &lines(72, acceleration, 20))),
            PhaseAxis::Rows => (64, Mask::rows(&lines(64, acceleration, 20), 72)),
        };
        let measured = mask.over_coils(8).select(truth.clone());
        let found =
            grappa(&measured, &lines(count, acceleration, 20), axis, &GrappaSettings::default()).unwrap();
        let kept = mask.over_coils(8).select(found.clone());
        assert_eq!(kept, measured);
        ((&found - &truth).norm() / truth.norm(), (&measured - &truth).norm() / truth.norm())
    }

    #[test]
    fn half_of_the_lines_are_found_in_the_other_half() {
        for axis in [PhaseAxis::Columns, PhaseAxis::Rows] {
            let (found, zeros) = errors(2, axis);
            assert!(found < 0.2 * zeros, "{axis:?}: {found}, with zeros {zeros}");
        }
    }

    #[test]
    fn a_third_of_the_lines_still_helps() {
        let (found, zeros) = errors(3, PhaseAxis::Columns);
        assert!(found < 0.5 * zeros, "{found}, with zeros {zeros}");
    }

    #[test]
    fn sources_are_the_nearest_lines_that_fit() {
        let measured = lines(20, 3, 4);
        assert_eq!(sources(&measured, 4, 4, 40), [-4, -1, 2, 5]);
        assert_eq!(sources(&measured, 4, 4, 8), [-1, 2]);
        assert_eq!(sources(&measured, 19, 4, 40), [-4, -1]);
        assert_eq!(sources(&measured, 4, 4, 2), [-1; 0]);
    }

    #[test]
    fn what_is_complete_stays_and_what_is_hopeless_is_refused() {
        let truth = scan(3, 16, 18);
        let run = |kspace: &Array3<Complex32>, measured: &[bool]| {
            grappa(kspace, measured, PhaseAxis::Columns, &GrappaSettings::default())
        };
        assert_eq!(run(&truth, &[true; 18]).unwrap(), truth);
        assert_eq!(run(&truth, &lines(18, 2, 0)), Err(OperatorError::TooFewLines));
        assert!(run(&truth, &[true; 17]).is_err());
        assert!(run(&Array3::zeros((0, 16, 18)), &[true; 18]).is_err());
        assert!(run(&Array3::zeros((2, 1, 18)), &lines(18, 2, 6)).is_ok());
    }
}
