//! How to set up a network of listed noise levels for given images.
//!
//! Source: Song and Ermon, "Improved Techniques for Training Score-Based Generative Models", 2020 (NCSNv2),
//! techniques 1, 2, 4 and 5; technique 3, the division of the output by σ, is part of the networks.

use super::dataset::{Dataset, cut};
use ndarray::Array2;
use serde::Serialize;

/// What the techniques say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// Side of the images, in pixels.
    pub side: usize,
    /// Images that distances were taken between.
    pub images: usize,
    /// Largest noise level, model units: the largest distance between two images (technique 1).
    pub sigma_max: f64,
    /// Smallest noise level, model units.
    pub sigma_min: f64,
    /// Ratio of neighbouring noise levels (technique 2).
    pub ratio: f64,
    /// Number of noise levels, geometric with about that ratio.
    pub levels: usize,
    /// Langevin steps a level.
    pub steps_per_level: usize,
    /// Step size of annealed Langevin dynamics at the smallest level (technique 4).
    pub step_size: f64,
    /// How much of the average of the weights stays in a step (technique 5).
    pub average: f64,
}

/// Images that distances are taken between, at most.
const IMAGES: usize = 256;
/// The smallest noise level of the paper, for values from 0 to about 1.
const SIGMA_MIN: f64 = 0.01;
/// The mass that neighbouring levels should share, in the paper.
const SHARED: f64 = 0.5;

/// Looks at the middles of the slices, squares with `side` pixels a side, for a sampler with `steps_per_level`
/// Langevin steps a level.
///
/// # Errors
/// When there are not two different images, or they are nearer to each other than the smallest noise level.
pub fn suggest(data: &Dataset, side: usize, steps_per_level: usize) -> Result<Suggestion, String> {
    let images = spread(data, side);
    let sigma_max = largest_distance(&images);
    if sigma_max <= 2.0 * SIGMA_MIN {
        return Err(format!(
            "the largest distance between two slices is {sigma_max:.3}; give more different slices"
        ));
    }
    let ideal = level_ratio(side * side);
    let levels = ((sigma_max / SIGMA_MIN).ln() / ideal.ln()).ceil().max(1.0) as usize + 1;
    let ratio = (sigma_max / SIGMA_MIN).powf(1.0 / (levels - 1) as f64);
    Ok(Suggestion {
        side,
        images: images.len(),
        sigma_max,
        sigma_min: SIGMA_MIN,
        ratio,
        levels,
        steps_per_level,
        step_size: step_size(SIGMA_MIN, ratio, steps_per_level),
        average: 0.999,
    })
}

/// The middles of up to [`IMAGES`] slices, evenly spread over all of them.
fn spread(data: &Dataset, side: usize) -> Vec<Array2<f32>> {
    let total = data.slices();
    let count = total.min(IMAGES);
    let mut slices = data.volumes().iter().flatten().enumerate();
    let taken = (0..count).filter_map(|i| slices.find(|(number, _)| *number >= i * total / count));
    taken.map(|(_, slice)| cut(&slice.view(), [side, side], &mut |most| most / 2)).collect()
}

/// `max |a − b|` over all pairs.
fn largest_distance(images: &[Array2<f32>]) -> f64 {
    let square = |a: &Array2<f32>, b: &Array2<f32>| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    let pairs = images.iter().enumerate().flat_map(|(i, a)| images[..i].iter().map(move |b| (a, b)));
    pairs.fold(0.0, |most: f64, (a, b)| most.max(square(a, b))).sqrt()
}

/// The ratio γ of noise levels in `D = pixels` dimensions, at which a level covers half of the mass of the one
/// above: `Φ(√(2D)(γ−1) + 3γ) − Φ(√(2D)(γ−1) − 3γ) = 0.5` (technique 2).
fn level_ratio(pixels: usize) -> f64 {
    let root = (2.0 * pixels as f64).sqrt();
    let shared = |ratio: f64| {
        normal_cdf(root * (ratio - 1.0) + 3.0 * ratio) - normal_cdf(root * (ratio - 1.0) - 3.0 * ratio)
    };
    // The share falls from nearly 1 at a ratio of 1; with fewer than five pixels it never falls to a half.
    let (mut low, mut high) = (1.0, 100.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if shared(middle) > SHARED { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The step size ε at the smallest level `sigma` that keeps the variance of the samples nearest to that of the
/// level, `T` being `steps` (technique 4): the least distance from 1 of
/// `(1 − ε/σ²)^{2T} (γ² − v) + v` with `v = 2ε/(σ² − σ² (1 − ε/σ²)²) = 1/(1 − ε/(2σ²))`.
fn step_size(sigma: f64, ratio: f64, steps: usize) -> f64 {
    let distance = |part: f64| {
        let v = 1.0 / (1.0 - 0.5 * part);
        ((1.0 - part).powi(2 * steps as i32) * (ratio * ratio - v) + v - 1.0).abs()
    };
    // Fine in the logarithm of ε/σ², from 10⁻⁶ to 1: the paper proposes a grid, too.
    let grid = (0..=60_000).map(|i| 10f64.powf(-6.0 + f64::from(i) * 1e-4));
    let best = grid.min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    best.unwrap_or(1e-3) * sigma * sigma
}

/// The distribution function of the standard normal, by the series and the continued fraction of the incomplete
/// gamma function (Abramowitz and Stegun 1964, 26.2.10 and 26.2.14).
fn normal_cdf(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() < 3.0 {
        // Φ = 1/2 + φ (x + x³/3 + x⁵/(3·5) + …)
        let (mut term, mut sum) = (x, x);
        for n in 1..60 {
            term *= x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return 0.5 + density * sum;
    }
    // 1 − Φ = φ / (x + 1/(x + 2/(x + 3/(x + …))))
    let fraction = (1..80).rev().fold(x.abs(), |below, n| x.abs() + f64::from(n) / below);
    let tail = density / fraction;
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ValueMapping;
    use ndarray::{Array3, s};

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (x, expected) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (-1.959_963_984_540_054, 0.025),
            (2.999_999, 0.998_650_097_5),
            (3.0, 0.998_650_101_968_37),
            (-4.0, 3.167_124_183_311_992e-5),
        ] {
            let found = normal_cdf(x);
            assert!((found - expected).abs() < 1e-10, "{x}: {found}");
        }
    }

    #[test]
    fn ratios_of_many_pixels_follow_the_closed_form() {
        // The upper term is 1, so √(2D)(γ−1) = 3γ and γ = √(2D)/(√(2D) − 3): 1.03980 for CIFAR-10, with the
        // 232 levels of the paper 1.03756.
        for pixels in [3072, 128 * 128, 256 * 256] {
            let root = (2.0 * pixels as f64).sqrt();
            let error = (level_ratio(pixels) - root / (root - 3.0)).abs();
            assert!(error < 1e-8, "{pixels}: {error:e}");
        }
    }

    #[test]
    fn the_step_size_is_that_of_the_paper() {
        // Song and Ermon 2020, appendix B: CIFAR-10 has 232 levels from 50 to 0.01, T = 5, ε = 6.2e-6.
        let ratio = 5000f64.powf(1.0 / 231.0);
        let found = step_size(0.01, ratio, 5);
        println!("{found:e}");
        assert!((found / 6.2e-6 - 1.0).abs() < 0.02, "{found:e}");
    }

    #[test]
    fn two_slices_by_hand() {
        // In model units 1 and half of it: 16·16 pixels differ by 1/2, so the distance is 8.
        let mut volume = Array3::from_elem((2, 16, 16), 100.0f32);
        volume.slice_mut(s![1, .., ..]).fill(50.0);
        let data = Dataset::new(vec![volume], ValueMapping::Percentile { percentile: 100.0 }).unwrap();
        let found = suggest(&data, 16, 5).unwrap();
        assert!((found.sigma_max - 8.0).abs() < 1e-9);
        // γ = 22.6274/19.6274 = 1.152847, and ln 800/ln γ = 46.997.
        assert_eq!((found.images, found.levels), (2, 48));
        assert!((found.ratio.powi(47) / 800.0 - 1.0).abs() < 1e-9);
        assert!(
            suggest(
                &Dataset::new(
                    vec![Array3::ones((2, 16, 16))],
                    ValueMapping::Percentile { percentile: 100.0 }
                )
                .unwrap(),
                16,
                5
            )
            .is_err()
        );
    }
}
