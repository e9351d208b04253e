//! The standard deviation of white noise in images, from the images themselves.

use ndarray::{Array2, ArrayView2, Zip, s};
use recon_operators::{Rank, quantile};
use std::fmt;

/// How a noise level was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Estimator {
    /// From the differences of repeats, where the image is bright.
    Differences,
    /// From the air in the corners of an MR image.
    Background,
    /// From the finest diagonal detail, where the image is bright.
    Detail,
}

/// Noise levels of the images of one slice, in the unit of the images.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NoiseLevels {
    /// One for each image; 0 where there is nothing to see.
    pub(super) std: Vec<f64>,
    /// How they were found.
    pub(super) by: Estimator,
}

impl NoiseLevels {
    /// Those of repeats of one slice; `magnitudes` says whether the images are MR magnitudes, whose noise is Rician.
    pub(super) fn of(repeats: &[Array2<f32>], magnitudes: bool) -> Self {
        if repeats.len() > 1 {
            return Self { std: by_differences(repeats), by: Estimator::Differences };
        }
        let air = repeats.first().filter(|_| magnitudes).and_then(by_background);
        match air {
            Some(std) => Self { std: vec![std], by: Estimator::Background },
            None => Self { std: repeats.iter().map(by_detail).collect(), by: Estimator::Detail },
        }
    }
}

impl fmt::Display for Estimator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Differences => "the differences of repeats",
            Self::Background => "the background in the corners",
            Self::Detail => "the finest detail",
        })
    }
}

/// The median of `|z|` for standard normal z.
const NORMAL_MEDIAN: f64 = 0.674_489_75;
/// Beyond so many standard deviations a difference is no noise.
const CLIP: f64 = 3.0;
/// The variance of a standard normal number that lies within [`CLIP`].
const CLIPPED_VARIANCE: f64 = 0.973_34;

/// `σ_i` from the variances `V_ij = σ_i² + σ_j²` of differences: for two images the same, for more each its own,
/// `σ_i² = (Σ_j V_ij − Σ_{j<k} V_jk/(M − 1))/(M − 2)` (Grubbs, J. Am. Stat. Assoc. 43, 1948).
fn by_differences(repeats: &[Array2<f32>]) -> Vec<f64> {
    let count = repeats.len();
    let bright = bright(&average(repeats).view());
    let mut of_image = vec![0.0; count];
    let mut all = 0.0;
    for i in 0..count {
        for j in 0..i {
            let variance = robust(pixels(&(&repeats[i] - &repeats[j]), &bright)).powi(2);
            of_image[i] += variance;
            of_image[j] += variance;
            all += variance;
        }
    }
    let mean = all / (count * (count - 1)) as f64;
    let own = |sum: f64| match count {
        2 => mean,
        // Chance, or anatomy that moved, can leave less than nothing.
        _ => ((sum - all / (count - 1) as f64) / (count - 2) as f64).max(LEAST_SHARE * mean),
    };
    of_image.into_iter().map(|sum| own(sum).sqrt()).collect()
}

/// The least variance of one repeat, as a share of the mean of all.
const LEAST_SHARE: f64 = 0.05;

fn average(images: &[Array2<f32>]) -> Array2<f32> {
    let mut sum = images[0].clone();
    images[1..].iter().for_each(|image| sum += image);
    sum / images.len() as f32
}

/// Where an image is above its mean: tissue, where the noise of magnitudes is near to normal and nothing is cut off.
fn bright(image: &ArrayView2<'_, f32>) -> Array2<bool> {
    let mean = image.iter().map(|&v| f64::from(v)).sum::<f64>() / image.len().max(1) as f64;
    image.mapv(|value| f64::from(value) > mean)
}

fn pixels(image: &Array2<f32>, wanted: &Array2<bool>) -> Vec<f32> {
    let mut found = Vec::with_capacity(image.len());
    Zip::from(image).and(wanted).for_each(|&value, &is_wanted| {
        if is_wanted {
            found.push(value);
        }
    });
    found
}

/// The standard deviation of what is normal among these values: the median of their distances to the median first, then the
/// mean square of what lies within [`CLIP`] of it, which whole numbers do not disturb.
fn robust(mut values: Vec<f32>) -> f64 {
    let centre = quantile(&mut values, 0.5, Rank::Linear).unwrap_or(0.0);
    values.iter_mut().for_each(|value| *value -= centre);
    let rough = match median_size(&values) / NORMAL_MEDIAN {
        std if std > 0.0 => std,
        _ => mean_square(values.iter()).sqrt(),
    };
    let kept = values.iter().filter(|value| f64::from(value.abs()) <= CLIP * rough);
    (mean_square(kept) / CLIPPED_VARIANCE).sqrt()
}

fn median_size(values: &[f32]) -> f64 {
    let mut sizes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    quantile(&mut sizes, 0.5, Rank::Linear).map_or(0.0, f64::from)
}

fn mean_square<'a>(values: impl Iterator<Item = &'a f32>) -> f64 {
    let (sum, count) =
        values.fold((0.0, 0_usize), |(sum, count), &v| (sum + f64::from(v).powi(2), count + 1));
    sum / count.max(1) as f64
}

/// `median |h| / 0.6745` over the diagonal Haar coefficients `h = (a − b − c + d)/2` of blocks of 2 × 2 pixels that are above
/// the mean of the image (Donoho and Johnstone, Biometrika 81, 1994).
fn by_detail(image: &Array2<f32>) -> f64 {
    let blocks = image.exact_chunks((2, 2));
    let mean = image.mean().unwrap_or(0.0);
    let detail: Vec<f32> = blocks
        .into_iter()
        .filter(|block| block.mean().is_some_and(|value| value > mean))
        .map(|block| 0.5 * (block[[0, 0]] - block[[0, 1]] - block[[1, 0]] + block[[1, 1]]))
        .collect();
    median_size(&detail) / NORMAL_MEDIAN
}

/// Side of a corner, as a share of the shorter side of the image.
const CORNER: f64 = 0.1;
/// Fewer pixels along a corner's side tell nothing.
const SMALLEST_CORNER: usize = 4;
/// Mean over standard deviation of Rayleigh's distribution is 1.913; what is as near as this may be air.
const RAYLEIGH: std::ops::Range<f64> = 1.55..2.35;

/// The noise of the corners, if two of them look like air: the median of theirs.
fn by_background(image: &Array2<f32>) -> Option<f64> {
    let (rows, cols) = image.dim();
    let side = ((CORNER * rows.min(cols) as f64) as usize).max(SMALLEST_CORNER);
    if 2 * side > rows.min(cols) {
        return None;
    }
    let (bottom, right) = (rows - side, cols - side);
    let corner = |i: usize, j: usize| of_air(&image.slice(s![i..i + side, j..j + side]), image);
    let corners = [corner(0, 0), corner(0, right), corner(bottom, 0), corner(bottom, right)];
    let mut found: Vec<f32> = corners.into_iter().flatten().map(|std| std as f32).collect();
    if found.len() < 2 {
        return None;
    }
    quantile(&mut found, 0.5, Rank::Linear).map(f64::from)
}

/// The noise of a corner that is darker than the image and looks like air: Rayleigh's `σ² = E m²/2` for magnitudes, and
/// the mean square for values around 0.
fn of_air(corner: &ArrayView2<'_, f32>, image: &Array2<f32>) -> Option<f64> {
    let mean = f64::from(corner.mean()?);
    let square = mean_square(corner.iter());
    let std = (square - mean * mean).max(0.0).sqrt();
    if !(std > 0.0 && mean < f64::from(image.mean()?)) {
        return None;
    }
    let is_magnitude = corner.iter().all(|&value| value >= 0.0);
    match is_magnitude {
        true if RAYLEIGH.contains(&(mean / std)) => Some((0.5 * square).sqrt()),
        false if mean.abs() < 0.3 * std => Some(square.sqrt()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use recon_operators::Field;

    /// A disc of brightness 1 with a soft pattern, in air.
    fn object() -> Array2<f32> {
        Array2::from_shape_fn((96, 90), |(i, j)| {
            let (y, x) = (i as f32 - 47.5, j as f32 - 44.5);
            if x.hypot(y) < 34.0 { 1.0 + 0.1 * (0.2 * x).sin() } else { 0.0 }
        })
    }

    fn noise(seed: u64, std: f32) -> Array2<f32> {
        <Array2<f32> as Field>::randn(&[96, 90], &mut ChaCha8Rng::seed_from_u64(seed)) * std
    }

    fn near(found: f64, expected: f64, share: f64) {
        assert!((found / expected - 1.0).abs() < share, "{found} is not {expected}");
    }

    #[test]
    fn differences_tell_the_noise_of_each_of_three_and_the_mean_of_two() {
        let stds = [0.05_f32, 0.1, 0.2];
        let repeats: Vec<_> = (0..3).map(|i| object() + noise(i as u64, stds[i])).collect();
        let found = NoiseLevels::of(&repeats, true);
        assert_eq!(found.by, Estimator::Differences);
        // Four standard errors of a variance over some 3600 pixels are about 10 %; the least is found beside larger ones.
        near(found.std[2], 0.2, 0.05);
        near(found.std[1], 0.1, 0.15);
        near(found.std[0], 0.05, 0.5);
        let both = NoiseLevels::of(&repeats[1..], false).std;
        near(both[0], (0.5 * (0.01_f64 + 0.04)).sqrt(), 0.05);
        assert_eq!(both[0], both[1]);
    }

    #[test]
    fn whole_numbers_and_outliers_do_not_disturb_differences() {
        let mut pair =
            [noise(1, 3.0), noise(2, 3.0)].map(|noise| (object() * 500.0 + noise).mapv(f32::round));
        pair[0].slice_mut(s![40..44, 40..44]).fill(3000.0);
        near(NoiseLevels::of(&pair, false).std[0], 3.0, 0.05);
        let same = [object(), object()];
        assert_eq!(NoiseLevels::of(&same, false).std, [0.0, 0.0]);
    }

    #[test]
    fn air_of_magnitudes_has_rayleigh_noise() {
        let (real, imaginary) = (object() + noise(1, 0.08), noise(2, 0.08));
        let magnitude = Zip::from(&real).and(&imaginary).map_collect(|re, im| re.hypot(*im));
        let found = NoiseLevels::of(std::slice::from_ref(&magnitude), true);
        assert_eq!(found.by, Estimator::Background);
        near(found.std[0], 0.08, 0.1);
        let real = NoiseLevels::of(&[real], true);
        assert_eq!(real.by, Estimator::Background);
        near(real.std[0], 0.08, 0.1);
        assert_eq!(NoiseLevels::of(&[magnitude], false).by, Estimator::Detail);
    }

    #[test]
    fn fine_detail_is_noise_where_air_was_cut_off() {
        let bright = bright(&object().view());
        let cut = Zip::from(&(object() + noise(3, 0.07)))
            .and(&bright)
            .map_collect(|&value, &is_bright| if is_bright { value } else { 0.0 });
        let found = NoiseLevels::of(&[cut], true);
        assert_eq!(found.by, Estimator::Detail);
        near(found.std[0], 0.07, 0.1);
        assert_eq!(NoiseLevels::of(&[Array2::zeros((8, 8))], true).std, [0.0]);
    }
}
