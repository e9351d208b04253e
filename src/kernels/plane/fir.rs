//! Separable filters between the insertion and the removal of samples.
//!
//! Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, whose public code
//! calls it `upfirdn2d`.

use crate::kernels::images::Images;
use crate::kernels::simd::lanes::{Lanes, Level, dispatch};
use candle_core::{Result, bail};
use rayon::prelude::*;

/// In both directions: insert `up − 1` zeros behind every sample, pad with zeros (negative: crop), convolve
/// with `taps` (a true convolution: the taps are reversed), keep every `down`-th sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Fir {
    /// One dimension of the separable filter.
    pub taps: Vec<f32>,
    /// Factor of the number of samples, at least 1.
    pub up: usize,
    /// Divisor of the number of samples, at least 1.
    pub down: usize,
    /// Zeros in front and behind.
    pub pad: (i64, i64),
}

/// The largest number of samples that a direction may have.
const MAX_SAMPLES: i64 = 1 << 31;

impl Fir {
    /// Number of samples that `n` become.
    ///
    /// # Errors
    /// When none is left, or the numbers make no sense.
    pub(in crate::kernels) fn samples(&self, n: usize) -> Result<usize> {
        let [up, down, length] = [self.up, self.down, self.taps.len()].map(|v| v as i64);
        if up == 0 || down == 0 || length == 0 || n as i64 > MAX_SAMPLES / up.max(1) {
            bail!("a filter with {length} taps, factor {up} and divisor {down} for {n} samples")
        }
        let filtered = n as i64 * up + self.pad.0 + self.pad.1 - length + 1;
        if !(1..MAX_SAMPLES).contains(&filtered) {
            bail!("{n} samples padded by {:?} leave none behind {length} taps", self.pad)
        }
        Ok(((filtered - 1) / down + 1) as usize)
    }

    /// The transposed operation, which brings `result` samples back to `n`.
    pub(in crate::kernels) fn transposed(&self, n: usize, result: usize) -> Self {
        let [up, down, length] = [self.up, self.down, self.taps.len()].map(|v| v as i64);
        let front = length - 1 - self.pad.0;
        let behind = n as i64 * up - result as i64 * down - front + length - up;
        let taps = self.taps.iter().rev().copied().collect();
        Self { taps, up: self.down, down: self.up, pad: (front, behind) }
    }

    /// The products that make up output samples `q · up + phase`: `taps[..] · x[q · down + offset]`.
    fn terms(&self, phase: usize) -> Vec<Term> {
        let (up, down) = (self.up as i64, self.down as i64);
        let reversed = self.taps.iter().rev().enumerate();
        let term = |(at, tap): (usize, &f32)| {
            let position = phase as i64 * down + at as i64 - self.pad.0;
            let offset = position.div_euclid(up);
            (position.rem_euclid(up) == 0).then(|| Term {
                tap: *tap,
                residue: offset.rem_euclid(down) as usize,
                shift: offset.div_euclid(down),
            })
        };
        reversed.filter_map(term).collect()
    }
}

/// `tap · x[(q + shift) · down + residue]`
#[derive(Clone, Copy, Debug)]
struct Term {
    tap: f32,
    residue: usize,
    shift: i64,
}

impl Term {
    /// The positions `q` below `count` whose sample lies within the first `available`, and the first sample.
    fn span(&self, count: usize, available: usize) -> Option<(usize, usize, usize)> {
        let from = (-self.shift).max(0);
        let to = (available as i64 - self.shift).min(count as i64);
        (from < to).then(|| (from as usize, (from + self.shift) as usize, (to - from) as usize))
    }
}

/// The result and its size, for one filter along the columns and one along the rows.
pub(in crate::kernels) fn upfirdn(
    level: Level,
    x: &[f32],
    images: Images,
    [vertical, horizontal]: [&Fir; 2],
) -> Result<(Vec<f32>, Images)> {
    let (rows, cols) = (vertical.samples(images.rows)?, horizontal.samples(images.cols)?);
    let result = Images { rows, cols, ..images };
    let phases = [vertical, horizontal].map(|fir| (0..fir.up).map(|p| fir.terms(p)).collect::<Vec<_>>());
    let mut y = vec![0.0; result.len()];
    let planes = y.par_chunks_mut(result.pixels()).zip(x.par_chunks(images.pixels()));
    planes.for_each(|(y, x)| {
        let mut tall = vec![0.0; result.rows * images.cols];
        let plane = Plane { rows: images.rows, cols: images.cols, down: vertical.down };
        plane.filter_columns(level, x, &phases[0], &mut tall);
        let lines = tall.chunks_exact(images.cols).zip(y.chunks_exact_mut(result.cols));
        let mut scratch = Scratch::new(images.cols, result.cols, horizontal);
        lines.for_each(|(x, y)| scratch.filter_row(level, x, &phases[1], y));
    });
    Ok((y, result))
}

/// The size of an input plane and the divisor of its samples.
struct Plane {
    rows: usize,
    cols: usize,
    down: usize,
}

impl Plane {
    /// Filters along the columns: whole rows are added up.
    fn filter_columns(&self, level: Level, x: &[f32], phases: &[Vec<Term>], y: &mut [f32]) {
        for (at, out) in y.chunks_exact_mut(self.cols).enumerate() {
            let q = (at / phases.len()) as i64;
            for term in &phases[at % phases.len()] {
                let row = (q + term.shift) * self.down as i64 + term.residue as i64;
                if (0..self.rows as i64).contains(&row) {
                    let start = row as usize * self.cols;
                    add(level, term.tap, &x[start..start + self.cols], out);
                }
            }
        }
    }
}

/// Room for one row, taken apart by residue and by phase.
struct Scratch {
    residues: Vec<Vec<f32>>,
    phases: Vec<Vec<f32>>,
}

impl Scratch {
    fn new(inputs: usize, outputs: usize, fir: &Fir) -> Self {
        let every = |n: usize, of: usize, at: usize| vec![0.0; n.saturating_sub(at).div_ceil(of)];
        Self {
            residues: (0..fir.down).map(|r| every(inputs, fir.down, r)).collect(),
            phases: (0..fir.up).map(|p| every(outputs, fir.up, p)).collect(),
        }
    }

    fn filter_row(&mut self, level: Level, x: &[f32], phases: &[Vec<Term>], y: &mut [f32]) {
        let (down, up) = (self.residues.len(), self.phases.len());
        for (residue, samples) in self.residues.iter_mut().enumerate() {
            for (to, from) in samples.iter_mut().zip(x.iter().skip(residue).step_by(down)) {
                *to = *from;
            }
        }
        for (sums, terms) in self.phases.iter_mut().zip(phases) {
            sums.fill(0.0);
            for term in terms {
                let samples = &self.residues[term.residue];
                if let Some((to, from, count)) = term.span(sums.len(), samples.len()) {
                    add(level, term.tap, &samples[from..from + count], &mut sums[to..to + count]);
                }
            }
        }
        for (phase, sums) in self.phases.iter().enumerate() {
            for (to, from) in y.iter_mut().skip(phase).step_by(up).zip(sums) {
                *to = *from;
            }
        }
    }
}

/// `y ← y + tap · x`
fn add(level: Level, tap: f32, x: &[f32], y: &mut [f32]) {
    // SAFETY: plain loops over slices; a `Level` exists only for detected features.
    unsafe { add_lanes(level, tap, x, y) }
}

#[inline(always)]
unsafe fn add_lanes_of<V: Lanes>(tap: f32, x: &[f32], y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += tap * x;
    }
}
dispatch!(
    /// `y ← y + tap · x`
    add_lanes => add_lanes_of(tap: f32, x: &[f32], y: &mut [f32])
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, pixel by pixel.
    fn oracle(x: &[f32], images: Images, fir: &Fir) -> Vec<f64> {
        let (rows, cols) = (fir.samples(images.rows).unwrap(), fir.samples(images.cols).unwrap());
        let sample = |plane: &[f32], r: i64, c: i64| {
            let (up, r, c) = (fir.up as i64, r - fir.pad.0, c - fir.pad.0);
            let inside = r >= 0 && c >= 0 && r % up == 0 && c % up == 0;
            let (r, c) = (r / up, c / up);
            if inside && r < images.rows as i64 && c < images.cols as i64 {
                f64::from(plane[r as usize * images.cols + c as usize])
            } else {
                0.0
            }
        };
        let last = fir.taps.len() - 1;
        let mut y = Vec::new();
        for plane in x.chunks_exact(images.pixels()) {
            for (r, c) in (0..rows).flat_map(|r| (0..cols).map(move |c| (r, c))) {
                let mut sum = 0.0;
                for (i, j) in (0..=last).flat_map(|i| (0..=last).map(move |j| (i, j))) {
                    let weight = f64::from(fir.taps[last - i]) * f64::from(fir.taps[last - j]);
                    sum += weight * sample(plane, (r * fir.down + i) as i64, (c * fir.down + j) as i64);
                }
                y.push(sum);
            }
        }
        y
    }

    fn filters() -> impl Strategy<Value = Fir> {
        let taps = proptest::collection::vec(-1.0f32..1.0, 1..7);
        (taps, 1usize..4, 1usize..4, -2i64..6, -2i64..6).prop_map(|(taps, up, down, front, behind)| Fir {
            taps,
            up,
            down,
            pad: (front, behind),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

        #[test]
        fn it_is_its_definition_at_every_level(
            fir in filters(), rows in 1usize..9, cols in 1usize..41, seed in any::<u64>(),
        ) {
            let images = Images { batch: 1, channels: 2, rows, cols };
            prop_assume!(fir.samples(rows).is_ok() && fir.samples(cols).is_ok());
            let x = crate::kernels::tests::random(seed, images.len());
            let expected = oracle(&x, images, &fir);
            for level in Level::all() {
                let (y, _) = upfirdn(level, &x, images, [&fir; 2]).unwrap();
                prop_assert!(y.iter().zip(&expected).all(|(y, e)| (f64::from(*y) - e).abs() < 5e-6));
            }
        }

        #[test]
        fn the_transposed_filter_is_the_adjoint(
            fir in filters(), rows in 1usize..9, cols in 1usize..41, seed in any::<u64>(),
        ) {
            let images = Images { batch: 1, channels: 1, rows, cols };
            prop_assume!(fir.samples(rows).is_ok() && fir.samples(cols).is_ok());
            let x = crate::kernels::tests::random(seed, images.len());
            let (y, result) = upfirdn(Level::best(), &x, images, [&fir; 2]).unwrap();
            let z = crate::kernels::tests::random(seed ^ 1, y.len());
            let back = [fir.transposed(rows, result.rows), fir.transposed(cols, result.cols)];
            let (back, _) = upfirdn(Level::best(), &z, result, [&back[0], &back[1]]).unwrap();
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            prop_assert!((dot(&y, &z) - dot(&x, &back)).abs() < 1e-4);
        }
    }

    #[test]
    fn nothing_left_is_an_error() {
        let fir = Fir { taps: vec![1.0; 4], up: 1, down: 2, pad: (0, 0) };
        assert!(fir.samples(3).is_err() && fir.samples(4).is_ok());
        assert!(Fir { up: 0, ..fir.clone() }.samples(9).is_err());
        assert!(Fir { taps: vec![], ..fir }.samples(9).is_err());
    }
}
