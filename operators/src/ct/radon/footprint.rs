//! Strip areas in closed form, by resampling cumulative sums.
//!
//! Seen under an angle, a line of unit pixels is a row of boxes, each smeared by the height of the line. The
//! area that a detector bin shares with them is the difference, between the two edges of the bin, of the
//! cumulative sum of the pixels averaged over that smear. The cumulative sum is linear between pixel edges,
//! so the average has a closed form, and its cost does not depend on how many pixels a bin covers.
//! Exchanging pixels and bins gives the adjoint; both directions are the one function [`Edges::accumulate`].

/// Knots beyond either end of a line, so that a look-up needs no case distinction there.
pub(super) const PADDING: usize = 2;

/// Adding this rounds a small f64 to an integer, which then stands in the low bits of the mantissa: much
/// cheaper than the saturating conversion of `as`.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// How many knots a line of `cells` has.
pub(super) fn knot_count(cells: usize) -> usize {
    cells + 1 + 2 * PADDING
}

/// Writes the cumulative sums of `cells` at their edges, continued as constants into the padding.
pub(super) fn accumulate_cells(cells: impl ExactSizeIterator<Item = f32>, knots: &mut [f64]) {
    let end = PADDING + 1 + cells.len();
    let mut sum = 0.0;
    knots[..=PADDING].fill(0.0);
    for (knot, cell) in knots[PADDING + 1..end].iter_mut().zip(cells) {
        sum += f64::from(cell);
        *knot = sum;
    }
    knots[end..].fill(sum);
}

/// Equally spaced edges laid over a line of cells, in units of the cells: edge m at `start + m·step`.
pub(super) struct Edges {
    /// Position of the first edge; the line covers [0, cells].
    pub(super) start: f64,
    /// Distance of the edges, positive.
    pub(super) step: f64,
    /// Half of the width over which the cumulative sum is averaged around each edge.
    pub(super) half_width: f64,
}

impl Edges {
    /// `out[m] += scale · (H(edge m+1) − H(edge m))` with H the averaged cumulative sum of `knots`.
    pub(super) fn accumulate(&self, knots: &[f64], scale: f64, out: &mut [f64]) {
        let cells = (knots.len() - 1 - 2 * PADDING) as f64;
        // Bins that the line does not reach get nothing.
        let first = ((-self.half_width - self.start) / self.step).floor().max(0.0) as usize;
        let last = ((cells + self.half_width - self.start) / self.step).ceil().max(0.0) as usize;
        let last = last.min(out.len());
        if first >= last {
            return;
        }
        let start = self.start + PADDING as f64 + first as f64 * self.step;
        let out = &mut out[first..last];
        // An average over a wide interval is the mean of averages over pieces, each narrow enough to hold
        // at most one knot.
        let pieces = (2.0 * self.half_width).ceil().max(1.0) as usize;
        let average = Average::new(self.half_width / pieces as f64, cells);
        if pieces == 1 {
            difference(start, self.step, scale, out, |t| average.at(knots, t));
        } else {
            difference(start, self.step, scale, out, |t| average.over_pieces(knots, t, pieces));
        }
    }
}

#[inline(always)]
fn difference(start: f64, step: f64, scale: f64, out: &mut [f64], cumulative: impl Fn(f64) -> f64) {
    let mut before = cumulative(start);
    for (m, value) in out.iter_mut().enumerate() {
        let after = cumulative(start + (m + 1) as f64 * step);
        *value += scale * (after - before);
        before = after;
    }
}

/// The mean of a piecewise linear function over `[t − half, t + half]`, half ≤ 1/2.
struct Average {
    half: f64,
    /// `1/(4 half)`, or 0 for no averaging at all.
    quarter: f64,
    /// Where the line has ended for good, in padded units.
    end: f64,
}

impl Average {
    fn new(half: f64, cells: f64) -> Self {
        let half = if half < 1e-12 { 0.0 } else { half };
        let quarter = if half > 0.0 { 0.25 / half } else { 0.0 };
        Self { half, quarter, end: cells + (PADDING + 1) as f64 }
    }

    /// At most one knot, the nearest, lies within the interval. With d the distance from it, the part of the
    /// slope to its right acts over `(1/2h) ∫ max(u, 0) du = min(max(d + h, 0), 2h)² / 4h + max(d − h, 0)`.
    #[inline(always)]
    fn at(&self, knots: &[f64], t: f64) -> f64 {
        let t = if t > 1.0 { t } else { 1.0 };
        let t = if t < self.end { t } else { self.end };
        let rounded = t + ROUND;
        let nearest = rounded.to_bits() as u32 as usize;
        let d = t - (rounded - ROUND);
        let window = &knots[nearest - 1..nearest + 2];
        let reach = d + self.half;
        let reach = if reach > 0.0 { reach } else { 0.0 };
        let reach = if reach < 2.0 * self.half { reach } else { 2.0 * self.half };
        let beyond = d - self.half;
        let beyond = if beyond > 0.0 { beyond } else { 0.0 };
        let right = reach * reach * self.quarter + beyond;
        window[1] + (window[1] - window[0]) * (d - right) + (window[2] - window[1]) * right
    }

    fn over_pieces(&self, knots: &[f64], t: f64, pieces: usize) -> f64 {
        let start = t - (pieces as f64 - 1.0) * self.half;
        let sum: f64 = (0..pieces).map(|n| self.at(knots, start + 2.0 * n as f64 * self.half)).sum();
        sum / pieces as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knots(cells: &[f32]) -> Vec<f64> {
        let mut knots = vec![f64::NAN; knot_count(cells.len())];
        accumulate_cells(cells.iter().copied(), &mut knots);
        knots
    }

    /// The same by brute force: every cell is cut in slivers, and each sliver smeared.
    fn oracle(cells: &[f32], edges: &Edges, bins: usize) -> Vec<f64> {
        let (slivers, smears) = (400, 100);
        let mut out = vec![0.0; bins];
        for n in 0..cells.len() * slivers {
            for m in 0..smears {
                let smear = ((f64::from(m) + 0.5) / f64::from(smears) - 0.5) * 2.0 * edges.half_width;
                let bin = (((n as f64 + 0.5) / slivers as f64 + smear - edges.start) / edges.step).floor();
                if bin >= 0.0 && (bin as usize) < bins {
                    out[bin as usize] += f64::from(cells[n / slivers]) / (slivers as f64 * f64::from(smears));
                }
            }
        }
        out
    }

    fn check(edges: &Edges) {
        let cells = [1.0, -2.0, 0.5, 4.0, 3.0];
        let mut out = vec![0.0; 9];
        edges.accumulate(&knots(&cells), 1.0, &mut out);
        for (fast, slow) in out.iter().zip(oracle(&cells, edges, 9)) {
            assert!((fast - slow).abs() < 0.02, "{fast} is not {slow}");
        }
    }

    #[test]
    fn areas_are_those_of_brute_force() {
        check(&Edges { start: -1.2, step: 0.9, half_width: 0.37 });
        check(&Edges { start: -1.0, step: 1.0, half_width: 0.0 });
        check(&Edges { start: -3.3, step: 1.41, half_width: 0.5 });
        check(&Edges { start: 1.3, step: 0.3, half_width: 0.2 });
        check(&Edges { start: -4.0, step: 7.0, half_width: 0.5 });
    }

    #[test]
    fn a_smear_over_several_cells_is_cut_in_pieces() {
        check(&Edges { start: -2.0, step: 1.1, half_width: 1.7 });
    }

    #[test]
    fn what_lies_aside_gets_nothing() {
        let mut out = vec![0.0; 4];
        for start in [-50.0, 50.0] {
            Edges { start, step: 1.0, half_width: 0.3 }.accumulate(&knots(&[1.0, 2.0]), 1.0, &mut out);
        }
        assert_eq!(out, [0.0; 4]);
    }
}
