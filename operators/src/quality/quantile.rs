//! Quantiles of numbers.

/// Which number stands for a quantile that falls between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rank {
    /// Linear between the neighbours (definition 7 of Hyndman and Fan, The American Statistician 50, 1996).
    Linear,
    /// The lower neighbour: one of the numbers themselves.
    Lower,
}

/// The quantile at this `share`, from 0 to 1, of `values`, which are sorted by it; none where there are none.
pub fn quantile(values: &mut [f32], share: f64, rank: Rank) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let lower = values[below];
    Some(match rank {
        Rank::Lower => lower,
        Rank::Linear => lower + (at - below as f64) as f32 * (values[(below + 1).min(last)] - lower),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_known_numbers() {
        let of = |share, rank| quantile(&mut [4.0, 1.0, 3.0, 2.0], share, rank);
        assert_eq!(of(0.0, Rank::Linear), Some(1.0));
        assert_eq!(of(0.5, Rank::Linear), Some(2.5));
        assert_eq!(of(0.5, Rank::Lower), Some(2.0));
        assert_eq!(of(1.0, Rank::Linear), Some(4.0));
        assert_eq!(quantile(&mut [], 0.5, Rank::Linear), None);
    }
}
