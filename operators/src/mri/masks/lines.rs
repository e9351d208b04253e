//! Patterns of whole lines, after fastMRI's `subsample.py`.

use super::draw::{GAUSSIAN_WIDTH, too_large, weighted_draw};
use crate::OperatorError;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What all line patterns share.
pub(super) struct Lines {
    /// Number of lines.
    pub count: usize,
    /// Number of lines in the fully sampled centre.
    pub center: usize,
    /// One line in so many is measured.
    pub acceleration: f64,
}

/// The number of centre lines, rounded half to even as Python does.
pub(super) fn center_lines(count: usize, fraction: f64) -> usize {
    (count as f64 * fraction).round_ties_even() as usize
}

/// The distance of equispaced lines that, with the centre, meets the acceleration:
/// `R (center − count) / (center R − count)`.
pub(super) fn corrected_distance(
    count: usize,
    center: usize,
    acceleration: f64,
) -> Result<f64, OperatorError> {
    let (lines, low) = (count as f64, center as f64);
    if low * acceleration >= lines {
        return Err(too_large(count, center, acceleration));
    }
    Ok(acceleration * (low - lines) / (low * acceleration - lines))
}

/// The fully sampled centre: `center` lines from `(count − center + 1)/2` on.
pub(super) fn with_center(count: usize, center: usize) -> Vec<bool> {
    let start = (count - center).div_ceil(2);
    (0..count).map(|line| (start..start + center).contains(&line)).collect()
}

impl Lines {
    /// `EquispacedMaskFractionFunc`: lines `round(offset + n·distance)` below the last one.
    pub(super) fn equispaced(
        &self,
        offset: Option<usize>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<bool>, OperatorError> {
        let distance = corrected_distance(self.count, self.center, self.acceleration)?;
        let offset =
            offset.unwrap_or_else(|| rng.random_range(0..(distance.round() as usize).clamp(1, self.count)));
        let mut kept = with_center(self.count, self.center);
        let (first, end) = (offset as f64, self.count as f64 - 1.0);
        // NumPy's arange multiplies by the difference of its first two values, not by the step.
        let step = (first + distance) - first;
        let lines = ((end - first) / distance).ceil().max(0.0) as usize;
        for n in 0..lines {
            kept[(first + n as f64 * step).round_ties_even() as usize] = true;
        }
        Ok(kept)
    }

    /// `EquiSpacedMaskFunc`: lines `offset + n R` without regard to the centre.
    pub(super) fn every_nth(&self, offset: Option<usize>, rng: &mut ChaCha8Rng) -> Vec<bool> {
        let distance = self.acceleration.round() as usize;
        let offset = offset.unwrap_or_else(|| rng.random_range(0..distance.clamp(1, self.count)));
        let mut kept = with_center(self.count, self.center);
        kept.iter_mut().skip(offset).step_by(distance).for_each(|kept| *kept = true);
        kept
    }

    /// `RandomMaskFunc`: every line beside the centre with probability `(count/R − center)/(count − center)`.
    pub(super) fn random(&self, rng: &mut ChaCha8Rng) -> Result<Vec<bool>, OperatorError> {
        let budget = self.count as f64 / self.acceleration - self.center as f64;
        if budget < 0.0 {
            return Err(too_large(self.count, self.center, self.acceleration));
        }
        let probability = budget / (self.count - self.center).max(1) as f64;
        let center = with_center(self.count, self.center);
        Ok(center.into_iter().map(|low| rng.random::<f64>() < probability || low).collect())
    }

    /// `MagicMaskFractionFunc`: the positive half starts at an offset that makes its conjugate fall between
    /// the lines of the negative half. The centre is cut to the number of lines there may be.
    pub(super) fn magic(
        &self,
        offset: Option<usize>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<bool>, OperatorError> {
        let target = (self.count as f64 / self.acceleration).round_ties_even() as usize;
        if self.center > target.max(1) {
            return Err(too_large(self.count, self.center, self.acceleration));
        }
        let center = self.center.max(1);
        let mut kept = with_center(self.count, center);
        if target <= center {
            return Ok(kept);
        }
        let distance = (self.count as f64 / (target - center) as f64).round_ties_even() as usize;
        let offset = offset.unwrap_or_else(|| rng.random_range(0..distance));
        let (positive, negative) =
            if offset.is_multiple_of(2) { (offset + 1, offset + 2) } else { (offset + 2, offset - 1) };
        let half = self.count.div_ceil(2);
        // Index of a frequency after fftshift: zero stands at count/2.
        for frequency in (positive..half).step_by(distance) {
            kept[(frequency + self.count / 2) % self.count] = true;
        }
        for mirrored in (negative..self.count - half).step_by(distance) {
            kept[self.count / 2 - 1 - mirrored] = true;
        }
        Ok(kept)
    }

    /// `round(count/R)` lines: the centre, and the rest drawn without replacement with a Gaussian density.
    pub(super) fn gaussian(&self, rng: &mut ChaCha8Rng) -> Result<Vec<bool>, OperatorError> {
        let target = ((self.count as f64 / self.acceleration).round() as usize).max(1);
        if self.center > target {
            return Err(too_large(self.count, self.center, self.acceleration));
        }
        let mut kept = with_center(self.count, self.center);
        let width = GAUSSIAN_WIDTH * self.count as f64;
        let log_density = |line: usize| {
            let distance = line as f64 - (self.count / 2) as f64;
            -0.5 * (distance / width).powi(2)
        };
        weighted_draw(&mut kept, target, log_density, rng);
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn magic_halves_do_not_mirror_each_other() {
        let lines = Lines { count: 64, center: 3, acceleration: 4.0 };
        let kept = lines.magic(Some(0), &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
        let mirrored = |line: usize| 64 - line;
        let both = (34..63).filter(|&line| kept[line] && kept[mirrored(line)]).count();
        assert_eq!(both, 0);
        assert_eq!(kept[30..35], [false, true, true, true, false].map(|k| k)[..]);
    }

    #[test]
    fn gaussian_lines_gather_at_the_centre() {
        let lines = Lines { count: 400, center: 16, acceleration: 4.0 };
        let kept = lines.gaussian(&mut ChaCha8Rng::seed_from_u64(3)).unwrap();
        let count = |range: std::ops::Range<usize>| kept[range].iter().filter(|&&k| k).count();
        assert_eq!(count(0..400), 100);
        assert!(count(133..267) > 60);
    }
}
