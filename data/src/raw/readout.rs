//! Transforms along the readout: oversampling removed, or the readout turned into positions.

use ndarray::{Array3, Axis, Zip};
use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// The centred orthonormal transform along a readout of `length` samples, of which the middle `kept` positions are wanted.
///
/// `x(n) = 1/√N Σₖ K(k) exp(2πi (k − ⌊N/2⌋)(n − ⌊N/2⌋)/N)`, cut to the positions around ⌊N/2⌋.
pub(super) struct Readout {
    length: usize,
    kept: usize,
    inverse: Arc<dyn Fft<f32>>,
    forward: Arc<dyn Fft<f32>>,
}

impl Readout {
    /// For readouts of `length` samples and `kept` positions.
    pub(super) fn new(length: usize, kept: usize) -> Self {
        let mut planner = FftPlanner::new();
        let kept = kept.clamp(1, length.max(1));
        let (inverse, forward) = (planner.plan_fft_inverse(length), planner.plan_fft_forward(kept));
        Self { length, kept, inverse, forward }
    }

    /// Whether anything is removed.
    pub(super) fn removes(&self) -> bool {
        self.kept < self.length
    }

    /// Positions that are kept.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Samples to positions, of which those in the middle stay.
    pub(super) fn positions(&self, line: &mut Vec<Complex32>) {
        line.resize(self.length, Complex32::ZERO);
        line.rotate_left(self.length / 2);
        self.inverse.process(line);
        line.rotate_right(self.length / 2);
        let start = self.length / 2 - self.kept / 2;
        line.drain(..start);
        line.truncate(self.kept);
        let scale = 1.0 / (self.length as f32).sqrt();
        line.iter_mut().for_each(|value| *value *= scale);
    }

    /// Samples of the field of view that is kept, at its own spacing.
    pub(super) fn cropped(&self, line: &mut Vec<Complex32>) {
        if !self.removes() {
            return;
        }
        self.positions(line);
        line.rotate_left(self.kept / 2);
        self.forward.process(line);
        line.rotate_right(self.kept / 2);
        let scale = 1.0 / (self.kept as f32).sqrt();
        line.iter_mut().for_each(|value| *value *= scale);
    }

    /// [`Readout::cropped`] of every line along an axis.
    pub(super) fn cropped_along(&self, samples: &Array3<Complex32>, axis: Axis) -> Array3<Complex32> {
        let mut shape = samples.raw_dim();
        shape[axis.0] = self.kept;
        let mut kept = Array3::zeros(shape);
        Zip::from(kept.lanes_mut(axis)).and(samples.lanes(axis)).for_each(|mut kept, samples| {
            let mut line = samples.to_vec();
            self.cropped(&mut line);
            kept.iter_mut().zip(line).for_each(|(entry, value)| *entry = value);
        });
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    /// Samples of a point at `position` from the centre.
    fn point(length: usize, position: f32) -> Vec<Complex32> {
        let scale = 1.0 / (length as f32).sqrt();
        (0..length)
            .map(|k| {
                let frequency = k as f32 - (length / 2) as f32;
                Complex32::from_polar(scale, -TAU * frequency * position / length as f32)
            })
            .collect()
    }

    #[test]
    fn a_point_stays_where_it_is() {
        for (length, kept) in [(16, 8), (15, 8), (16, 7), (9, 9)] {
            let readout = Readout::new(length, kept);
            let mut line = point(length, 2.0);
            readout.cropped(&mut line);
            let expected = point(kept, 2.0);
            assert_eq!(line.len(), kept);
            for (found, expected) in line.iter().zip(&expected) {
                assert!((found - expected).norm() < 1e-5, "{length} {kept}: {found} {expected}");
            }
            let mut line = point(length, -2.0);
            readout.positions(&mut line);
            let peak = kept / 2 - 2;
            assert!(
                line.iter()
                    .enumerate()
                    .all(|(n, x)| (x.norm() - f32::from(u8::from(n == peak))).abs() < 1e-5)
            );
        }
    }
}
