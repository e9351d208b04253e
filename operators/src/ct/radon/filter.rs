//! The filters of filtered back-projection.

use ndarray::Array2;
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;
use rustfft::{Fft, FftPlanner};
use std::f64::consts::PI;
use std::sync::Arc;

/// The window on the ramp |f| of filtered back-projection, f in cycles per bin up to 1/2.
///
/// Ramp is sharpest and noisiest; the others damp high frequencies, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// No window (Ram-Lak).
    #[default]
    Ramp,
    /// `sin(πf)/(πf)`
    SheppLogan,
    /// `cos(πf)`
    Cosine,
    /// `0.54 + 0.46 cos(2πf)`
    Hamming,
    /// `0.5 + 0.5 cos(2πf)`
    Hann,
}

impl Filter {
    fn window(self, f: f64) -> f64 {
        match self {
            Self::Ramp => 1.0,
            Self::SheppLogan if f == 0.0 => 1.0,
            Self::SheppLogan => (PI * f).sin() / (PI * f),
            Self::Cosine => (PI * f).cos(),
            Self::Hamming => 0.54 + 0.46 * (2.0 * PI * f).cos(),
            Self::Hann => 0.5 + 0.5 * (2.0 * PI * f).cos(),
        }
    }

    /// The frequency response at `length` frequencies in FFT order, for bins of width 1.
    ///
    /// The ramp is the transform of the band-limited kernel h(0) = 1/4, h(n) = −1/(πn)² for odd n, 0 for
    /// even n (Kak and Slaney, Principles of Computerized Tomographic Imaging, eq. 3.61). Sampling |f|
    /// itself instead would lose the mean of the image.
    pub fn response(self, length: usize) -> Vec<f64> {
        let fold = |k: usize| k.min(length - k);
        let tap = |n: usize| match n {
            0 => 0.25,
            n if n % 2 == 1 => -1.0 / (PI * n as f64).powi(2),
            _ => 0.0,
        };
        let mut ramp: Vec<Complex64> = (0..length).map(|n| tap(fold(n)).into()).collect();
        FftPlanner::new().plan_fft_forward(length).process(&mut ramp);
        let window = |k: usize| self.window(fold(k) as f64 / length as f64);
        ramp.iter().enumerate().map(|(k, value)| value.re * window(k)).collect()
    }
}

/// A filter planned for rows of one length: applied to two rows at once, as real and imaginary part.
#[derive(Clone)]
pub(super) struct RowFilter {
    response: Vec<f32>,
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

impl RowFilter {
    /// For rows of `bins` values `spacing` mm apart; padded so that the convolution does not wrap around.
    pub(super) fn new(filter: Filter, bins: usize, spacing: f32) -> Self {
        let length = (2 * bins).next_power_of_two().max(64);
        let scale = 1.0 / (length as f64 * f64::from(spacing));
        let response = filter.response(length).into_iter().map(|value| (value * scale) as f32).collect();
        let mut planner = FftPlanner::new();
        let forward = planner.plan_fft_forward(length);
        let inverse = planner.plan_fft_inverse(length);
        Self { response, forward, inverse }
    }

    /// Filters every row of `data`, multiplies it by its weight and puts `padding` zeros on either side.
    pub(super) fn apply(&self, data: &Array2<f32>, weights: &[f64], padding: usize) -> Array2<f32> {
        let (rows, bins) = data.dim();
        let width = bins + 2 * padding;
        let mut out = vec![0.0; rows * width];
        let scratch = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        out.par_chunks_mut(2 * width).enumerate().for_each_init(
            || (vec![Complex32::default(); self.response.len()], vec![Complex32::default(); scratch]),
            |(buffer, scratch), (pair, out)| {
                self.load(data, 2 * pair, buffer);
                self.convolve(buffer, scratch);
                for (n, row) in out.chunks_mut(width).enumerate() {
                    let weight = weights[2 * pair + n] as f32;
                    for (value, filtered) in row[padding..].iter_mut().zip(&buffer[..bins]) {
                        *value = weight * if n == 0 { filtered.re } else { filtered.im };
                    }
                }
            },
        );
        Array2::from_shape_vec((rows, width), out).expect("one padded row a view")
    }

    fn load(&self, data: &Array2<f32>, row: usize, buffer: &mut [Complex32]) {
        buffer.fill(Complex32::default());
        for (value, &re) in buffer.iter_mut().zip(data.row(row)) {
            value.re = re;
        }
        if row + 1 < data.nrows() {
            for (value, &im) in buffer.iter_mut().zip(data.row(row + 1)) {
                value.im = im;
            }
        }
    }

    fn convolve(&self, buffer: &mut [Complex32], scratch: &mut [Complex32]) {
        self.forward.process_with_scratch(buffer, scratch);
        for (value, &response) in buffer.iter_mut().zip(&self.response) {
            *value *= response;
        }
        self.inverse.process_with_scratch(buffer, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_is_the_frequency_and_keeps_the_mean() {
        let response = Filter::Ramp.response(256);
        assert!((response[128] - 0.5).abs() < 2e-3);
        assert!((response[64] - 0.25).abs() < 1e-4);
        // not zero: the kernel is cut off at half the length
        assert!(response[0] > 0.0 && response[0] < 1e-3);
    }

    #[test]
    fn filters_damp_in_their_order() {
        let high = |filter: Filter| filter.response(256)[100];
        let order = [Filter::Ramp, Filter::SheppLogan, Filter::Cosine, Filter::Hamming, Filter::Hann];
        assert!(order.windows(2).all(|pair| high(pair[0]) > high(pair[1])));
    }

    #[test]
    fn rows_are_convolved_with_the_kernel() {
        let mut data = Array2::zeros((3, 9));
        data[[2, 4]] = 2.0;
        data[[0, 0]] = 1.0;
        let filtered = RowFilter::new(Filter::Ramp, 9, 0.5).apply(&data, &[1.0, 1.0, 3.0], 2);
        assert_eq!(filtered.dim(), (3, 13));
        let expect = |n: i32| match n.abs() {
            0 => 0.25,
            n if n % 2 == 1 => -1.0 / (PI * f64::from(n)).powi(2),
            _ => 0.0,
        };
        for k in 0..9 {
            let pulse = 2.0 * 3.0 / 0.5 * expect(k - 4);
            assert!((f64::from(filtered[[2, k as usize + 2]]) - pulse).abs() < 1e-5);
            assert!(filtered[[1, k as usize + 2]].abs() < 1e-6);
        }
        assert_eq!(filtered[[2, 1]], 0.0);
    }
}
