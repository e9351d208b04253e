//! The geometry of a parallel-beam scan.

use crate::OperatorError;
use std::f64::consts::PI;

/// Parallel-beam geometry, origin at the centre of both image and detector.
///
/// Pixel `(i, j)` has its centre at `x = (j − (cols−1)/2)·spacing` to the right and
/// `y = ((rows−1)/2 − i)·spacing` UP. The ray of angle θ (counter-clockwise) and offset s is
/// `x cos θ + y sin θ = s`; bin k of the detector is centred at
/// `s = (k − (detectors−1)/2 − axis_offset)·detector_spacing`.
/// At θ = 0 a ray runs along a column.
#[derive(Clone, Debug, PartialEq)]
pub struct ParallelBeam {
    /// Rows of the image.
    pub rows: usize,
    /// Columns of the image.
    pub cols: usize,
    /// Side of a (square) pixel in mm.
    pub spacing: f32,
    /// Projection angles in radians, in the order of the sinogram rows.
    pub angles: Vec<f64>,
    /// Number of detector bins.
    pub detectors: usize,
    /// Width of a detector bin in mm.
    pub detector_spacing: f32,
    /// By how many bins the axis of rotation lies beside the middle of the detector, towards its end.
    pub axis_offset: f64,
}

impl ParallelBeam {
    /// `views` angles equally spaced over [0, π) without the end point, on a detector that covers the
    /// diagonal of the image with bins as wide as a pixel.
    pub fn equally_spaced(rows: usize, cols: usize, spacing: f32, views: usize) -> Self {
        let angles = (0..views).map(|view| view as f64 * PI / views as f64).collect();
        Self::with_angles(rows, cols, spacing, angles, None)
    }

    /// The given angles (radians); `detectors` bins as wide as a pixel, or enough for the diagonal.
    pub fn with_angles(
        rows: usize,
        cols: usize,
        spacing: f32,
        angles: Vec<f64>,
        detectors: Option<usize>,
    ) -> Self {
        let detectors = detectors.unwrap_or_else(|| diagonal(rows, cols));
        Self { rows, cols, spacing, angles, detectors, detector_spacing: spacing, axis_offset: 0.0 }
    }

    /// Refuses what no projector can work with: empty axes, missing or non-finite angles, bad spacings.
    ///
    /// # Errors
    /// The first of these that applies.
    pub fn validate(&self) -> Result<(), OperatorError> {
        if self.rows == 0 || self.cols == 0 {
            return Err(OperatorError::EmptyImage { rows: self.rows, cols: self.cols });
        }
        if self.angles.is_empty() {
            return Err(OperatorError::NoAngles);
        }
        if let Some(index) = self.angles.iter().position(|angle| !angle.is_finite()) {
            return Err(OperatorError::AngleNotFinite { index });
        }
        if self.detectors == 0 {
            return Err(OperatorError::NoDetectors);
        }
        if !self.axis_offset.is_finite() || self.axis_offset.abs() > self.detectors as f64 / 2.0 {
            return Err(OperatorError::AxisOutside { offset: self.axis_offset, detectors: self.detectors });
        }
        positive("pixel spacing", self.spacing)?;
        positive("detector spacing", self.detector_spacing)
    }

    /// The bin, and part of one, that the axis of rotation falls on.
    pub fn axis_bin(&self) -> f64 {
        (self.detectors as f64 - 1.0) / 2.0 + self.axis_offset
    }

    /// Quadrature weights of the angles for an integral over half a turn.
    ///
    /// Angles are taken modulo π; each gets half of the gap to either neighbour (equal angles share it), so
    /// `n` equally spaced angles get `π/n`. A gap of more than four times the median one is a missing wedge:
    /// the views at its borders get the median gap there instead, as if the scan went on.
    pub fn angular_weights(&self) -> Vec<f64> {
        let count = self.angles.len();
        let folded: Vec<f64> = self.angles.iter().map(|angle| angle.rem_euclid(PI)).collect();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| folded[a].total_cmp(&folded[b]));
        let gap_after = |n: usize| match n + 1 {
            next if next == count => folded[order[0]] + PI - folded[order[n]],
            next => folded[order[next]] - folded[order[n]],
        };
        let mut gaps: Vec<f64> = (0..count).map(gap_after).collect();
        close_missing_wedges(&mut gaps);
        let mut weights = vec![0.0; count];
        for (n, &view) in order.iter().enumerate() {
            weights[view] = 0.5 * (gaps[n] + gaps[(n + count - 1) % count]);
        }
        weights
    }
}

fn diagonal(rows: usize, cols: usize) -> usize {
    (rows as f64).hypot(cols as f64).ceil() as usize
}

fn positive(what: &'static str, value: f32) -> Result<(), OperatorError> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(OperatorError::Spacing { what, value }) }
}

fn close_missing_wedges(gaps: &mut [f64]) {
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    // A median of zero means that most angles coincide; then the gaps are all there is to go by.
    if median > 1e-9 {
        for gap in gaps.iter_mut().filter(|gap| **gap > 4.0 * median) {
            *gap = median;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(degrees: &[f64]) -> Vec<f64> {
        let angles = degrees.iter().map(|d| d.to_radians()).collect();
        ParallelBeam::with_angles(8, 8, 1.0, angles, None).angular_weights()
    }

    #[test]
    fn equal_angles_weigh_the_same() {
        for weight in ParallelBeam::equally_spaced(8, 8, 1.0, 23).angular_weights() {
            assert!((weight - PI / 23.0).abs() < 1e-12);
        }
    }

    #[test]
    fn uneven_angles_share_half_a_turn() {
        let uneven = weights(&[0.0, 10.0, 40.0, 200.0, 90.0, 140.0]);
        assert!((uneven.iter().sum::<f64>() - PI).abs() < 1e-12);
        assert!(uneven[4] > uneven[0]);
        // 200 degrees is 20 degrees seen from the other side
        assert!((uneven[3].to_degrees() - 15.0).abs() < 1e-9);
    }

    #[test]
    fn the_border_of_a_missing_wedge_gets_no_more_than_the_rest() {
        let limited: Vec<f64> = (0..100).map(f64::from).collect();
        let limited = weights(&limited);
        assert!((limited[0] - limited[50]).abs() < 1e-9);
        assert_eq!(weights(&[30.0]), [PI]);
    }

    #[test]
    fn a_repeated_angle_is_counted_once() {
        let repeated = weights(&[0.0, 60.0, 120.0, 180.0]);
        assert!((repeated[0] + repeated[3] - PI / 3.0).abs() < 1e-9);
    }

    #[test]
    fn nonsense_is_refused() {
        let good = ParallelBeam::equally_spaced(4, 5, 1.0, 3);
        assert_eq!(good.validate(), Ok(()));
        assert_eq!(good.detectors, 7);
        assert!(ParallelBeam { rows: 0, ..good.clone() }.validate().is_err());
        assert!(ParallelBeam { angles: vec![], ..good.clone() }.validate().is_err());
        assert!(ParallelBeam { angles: vec![f64::NAN], ..good.clone() }.validate().is_err());
        assert!(ParallelBeam { detectors: 0, ..good.clone() }.validate().is_err());
        assert!(ParallelBeam { axis_offset: f64::NAN, ..good.clone() }.validate().is_err());
        assert!(ParallelBeam { axis_offset: 4.0, ..good.clone() }.validate().is_err());
        assert!(ParallelBeam { spacing: -1.0, ..good.clone() }.validate().is_err());
        assert!(ParallelBeam { detector_spacing: f32::INFINITY, ..good }.validate().is_err());
    }
}
