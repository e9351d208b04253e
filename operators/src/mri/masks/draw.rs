//! What patterns of lines and of points share: how they are drawn.

use crate::OperatorError;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Standard deviation of the Gaussian densities as a share of the axis.
pub(super) const GAUSSIAN_WIDTH: f64 = 1.0 / 6.0;

pub(super) fn too_large(size: usize, center: usize, acceleration: f64) -> OperatorError {
    let budget = (size as f64 / acceleration).round() as usize;
    OperatorError::CenterTooLarge { center, size, acceleration, budget }
}

/// Adds entries without replacement, with probabilities proportional to a density, until `target` are kept.
///
/// The largest keys `ln(u)/density` make such a draw (Efraimidis and Spirakis, Inf. Process. Lett. 97,
/// 2006); in logarithms, so that the far tail of a density does not underflow.
pub(super) fn weighted_draw(
    kept: &mut [bool],
    target: usize,
    log_density: impl Fn(usize) -> f64,
    rng: &mut ChaCha8Rng,
) {
    let missing = target.saturating_sub(kept.iter().filter(|&&kept| kept).count());
    let mut keys = Vec::with_capacity(kept.len());
    for (index, &kept) in kept.iter().enumerate() {
        // In (0, 1], drawn for every entry so that the centre does not shift the stream.
        let uniform = 1.0 - rng.random::<f64>();
        if !kept {
            keys.push(((-uniform.ln()).ln() - log_density(index), index));
        }
    }
    keys.sort_by(|a, b| a.0.total_cmp(&b.0));
    for &(_, index) in keys.iter().take(missing) {
        kept[index] = true;
    }
}
