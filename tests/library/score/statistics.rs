//! Samples against the law they should have.

use candle_core::Device;
use recon::score::{Noise, Stream};
use recon_pipelines::SliceSeed;

/// Noise for `images` images of `rows` × `cols`.
pub(crate) fn noise(images: u64, dim: (usize, usize)) -> Noise {
    let slice = SliceSeed { seed: 5, case: 0, slice: 0 };
    let streams: Vec<Stream> = (0..images).map(|sample| Stream { slice, sample }).collect();
    Noise::new(&streams, dim, &Device::Cpu)
}

/// Mean and standard deviation of independent numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) std: f64,
    count: f64,
}

impl Moments {
    pub(crate) fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { mean, std: variance.sqrt(), count }
    }

    /// Error of the mean in units of the true standard deviation, and relative error of the standard deviation.
    /// For `n` independent normal numbers their standard errors are `1/√n` and `1/√2n`.
    pub(crate) fn bias(self, mean: f64, std: f64) -> (f64, f64) {
        ((self.mean - mean) / std, self.std / std - 1.0)
    }

    /// Asserts that both are within `sigmas` standard errors of the truth.
    pub(crate) fn assert_law(self, label: &str, (mean, std): (f64, f64), sigmas: f64) {
        let (of_mean, of_std) = self.bias(mean, std);
        println!("{label}: mean off by {of_mean:.4} std, std by {:.2} %", 100.0 * of_std);
        assert!(of_mean.abs() < sigmas / self.count.sqrt(), "{label}: mean {of_mean}");
        assert!(of_std.abs() < sigmas / (2.0 * self.count).sqrt(), "{label}: std {of_std}");
    }
}
