//! How much of an image is in the lines that are missing.

use recon_operators::line_distances;
use serde::{Deserialize, Serialize};

/// The mean squared size `P(f)` of a sample of k-space by the frequency f of its line, of images in model units: values
/// at equal distances from 0 to 1/2 cycles a pixel, linear in the logarithm between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spectrum(pub Vec<f64>);

impl Spectrum {
    /// What is wrong with its numbers, if anything.
    pub fn problem(&self) -> Option<String> {
        if self.0.len() < 2 {
            return Some(format!("spectrum needs 2 values or more, not {}", self.0.len()));
        }
        let bad = self.0.iter().find(|power| !(power.is_finite() && **power > 0.0));
        bad.map(|power| format!("spectrum: {power} must be positive and finite"))
    }

    /// The energy a pixel in the n lines that `mask` leaves out: `Σ P(fᵢ)/n`. Frequency zero stands at index n/2.
    pub fn missing(&self, mask: &[bool]) -> f64 {
        let count = mask.len().max(1) as f64;
        let lines = line_distances(mask.len()).zip(mask).filter(|(_, kept)| !**kept);
        lines.map(|(distance, _)| self.power(distance as f64 / count)).sum::<f64>() / count
    }

    fn power(&self, frequency: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (2.0 * frequency * last as f64).clamp(0.0, last as f64);
        let below = (place.floor() as usize).min(last.saturating_sub(1));
        let (Some(low), Some(high)) = (self.0.get(below), self.0.get(below + 1)) else { return 0.0 };
        (low.ln() + (place - below as f64) * (high / low).ln()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_spectrum_counts_the_missing_lines() {
        let flat = Spectrum(vec![3.0; 5]);
        assert!((flat.missing(&[true, false, false, true]) - 1.5).abs() < 1e-12);
        assert_eq!(flat.missing(&[true; 7]), 0.0);
        assert_eq!(flat.missing(&[]), 0.0);
    }

    #[test]
    fn it_is_linear_in_the_logarithm() {
        let falling = Spectrum(vec![16.0, 4.0, 1.0]);
        // Of 8 lines the first is of 1/2, the second of 3/8, that at index 4 of 0 cycles a pixel.
        let missing = |line: usize| falling.missing(&(0..8).map(|k| k != line).collect::<Vec<_>>()) * 8.0;
        for (line, power) in [(0, 1.0), (1, 2.0), (2, 4.0), (4, 16.0), (7, 2.0)] {
            assert!((missing(line) / power - 1.0).abs() < 1e-12, "line {line}");
        }
    }

    #[test]
    fn impossible_numbers_are_named() {
        assert_eq!(Spectrum(vec![1.0, 2.0]).problem(), None);
        for bad in [vec![], vec![1.0], vec![1.0, 0.0], vec![f64::NAN, 1.0], vec![1.0, -2.0]] {
            assert!(Spectrum(bad.clone()).problem().is_some(), "{bad:?}");
        }
    }
}
