//! Nested masks of lines, from those that were measured to all of them.

/// How many lines each line is away from frequency zero, which stands at index n/2.
pub fn line_distances(count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |line| line.abs_diff(count / 2))
}

/// The lines and their mirror images, which the lines of a real image tell as well; frequency zero at index n/2.
pub fn mirrored_lines(lines: &[bool]) -> Vec<bool> {
    (0..lines.len()).map(|line| lines[line] || lines[mirror_line(line, lines.len())]).collect()
}

/// The index of the mirror image of a line.
pub fn mirror_line(line: usize, count: usize) -> usize {
    (2 * (count / 2) + count - line) % count
}

/// The mask of a rung: the measured lines and, from the centre outwards, more of them in mirrored pairs.
///
/// With n lines, of which m are measured, `m^(1 − share) n^share` lines are kept: the measured ones alone for a `share` of 0,
/// all for 1, and a geometric series between. `measured` holds its own mirror image ([`mirrored_lines`]).
pub fn filled_lines(measured: &[bool], share: f64) -> Vec<bool> {
    let (count, kept) = (measured.len(), measured.iter().filter(|&&kept| kept).count());
    let wanted = (kept as f64).powf(1.0 - share) * (count as f64).powf(share) - kept as f64;
    if wanted < 0.5 {
        return measured.to_vec();
    }
    let distances: Vec<usize> = line_distances(count).collect();
    let mut missing: Vec<usize> =
        distances.iter().zip(measured).filter(|(_, kept)| !**kept).map(|(&distance, _)| distance).collect();
    missing.sort_unstable();
    let last = (wanted.round_ties_even() as usize).clamp(1, missing.len().max(1)) - 1;
    let Some(&radius) = missing.get(last) else { return measured.to_vec() };
    distances.iter().zip(measured).map(|(&distance, &kept)| kept || distance <= radius).collect()
}

/// Nested masks from the measured lines to all lines: `rungs + 1` of them, as [`filled_lines`] makes them.
pub fn nested_lines(measured: &[bool], rungs: usize) -> Vec<Vec<bool>> {
    (0..=rungs).map(|rung| filled_lines(measured, rung as f64 / rungs.max(1) as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sampling, SamplingPlan};

    fn lines(count: usize, kept: &[usize]) -> Vec<bool> {
        (0..count).map(|line| kept.contains(&line)).collect()
    }

    fn kept(lines: &[bool]) -> Vec<usize> {
        lines.iter().enumerate().filter(|(_, kept)| **kept).map(|(line, _)| line).collect()
    }

    /// The lines of four masks.
    type Rungs = [&'static [usize]; 4];

    /// `np.flatnonzero` of the first four masks of `ladder(mirrored(given), 4)` in `benches/trainer/masks.py`.
    const TRAINER: [(usize, &[usize], Rungs); 4] = [
        (
            16,
            &[2, 7, 8, 13],
            [
                &[2, 3, 7, 8, 9, 13, 14],
                &[2, 3, 6, 7, 8, 9, 10, 13, 14],
                &[2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14],
                &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            ],
        ),
        (
            15,
            &[0, 6, 7, 8, 11],
            [
                &[0, 3, 6, 7, 8, 11, 14],
                &[0, 3, 5, 6, 7, 8, 9, 11, 14],
                &[0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14],
                &[0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14],
            ],
        ),
        (
            33,
            &[3, 11, 15, 16, 17, 27],
            [
                &[3, 5, 11, 15, 16, 17, 21, 27, 29],
                &[3, 5, 11, 13, 14, 15, 16, 17, 18, 19, 21, 27, 29],
                &[3, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 27, 29],
                &[
                    3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                    29,
                ],
            ],
        ),
        (
            40,
            &[1, 9, 18, 19, 20, 21, 33],
            [
                &[1, 7, 9, 18, 19, 20, 21, 22, 31, 33, 39],
                &[1, 7, 9, 16, 17, 18, 19, 20, 21, 22, 23, 24, 31, 33, 39],
                &[1, 7, 9, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 31, 33, 39],
                &[
                    1, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
                    29, 30, 31, 32, 33, 39,
                ],
            ],
        ),
    ];

    #[test]
    fn masks_are_those_of_the_trainer() {
        for (count, given, expected) in TRAINER {
            let found: Vec<Vec<usize>> = nested_lines(&mirrored_lines(&lines(count, given)), 4)
                .iter()
                .map(|mask| kept(mask))
                .collect();
            assert_eq!(found[..4], expected, "{count} lines");
            assert_eq!(found[4].len(), count);
        }
    }

    #[test]
    fn rungs_are_nested_and_mirror_themselves() {
        for (count, seed) in [(33, 0), (64, 1), (218, 2), (384, 3)] {
            for sampling in [Sampling::Equispaced, Sampling::Random, Sampling::Gaussian1d] {
                let plan = SamplingPlan { sampling, seed, ..SamplingPlan::equispaced(8.0) };
                let mask = plan.mask(1, count).expect("possible");
                let masks = nested_lines(&mirrored_lines(mask.kept()), 6);
                assert_eq!(masks[0], mirrored_lines(mask.kept()));
                assert!(masks[6].iter().all(|&kept| kept));
                for pair in masks.windows(2) {
                    assert!(pair[0].iter().zip(&pair[1]).all(|(less, more)| !less || *more));
                    assert_eq!(mirrored_lines(&pair[1]), pair[1]);
                }
            }
        }
    }

    #[test]
    fn nothing_and_everything_are_no_trouble() {
        assert!(mirrored_lines(&[]).is_empty() && filled_lines(&[], 0.5).is_empty());
        assert_eq!(nested_lines(&[true; 5], 3), vec![vec![true; 5]; 4]);
        assert_eq!(filled_lines(&[false; 4], 1.0), [true; 4]);
        assert_eq!(nested_lines(&[false, true], 0).len(), 1);
    }
}
