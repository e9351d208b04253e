//! How wrong the image of a call usually is.

use serde::{Deserialize, Serialize};

/// `σₑ`, the root mean square error of `z` in model units, for images of one side: measured in training, by number of views
/// and by call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// Rows and columns of the images.
    pub side: usize,
    /// Numbers of views, rising.
    pub views: Vec<usize>,
    /// For each number of views, `σₑ` of the calls in order; those after the last are like it.
    pub sigma: Vec<Vec<f64>>,
}

impl Levels {
    /// What is wrong with its numbers, if anything; `calls` is how many it must tell apart.
    pub fn problem(&self, calls: usize) -> Option<String> {
        let side = self.side;
        if side == 0 {
            return Some("levels: side = 0 must be a number of pixels".to_owned());
        }
        let rising = self.views.windows(2).all(|pair| pair[0] < pair[1]);
        if self.views.first().is_none_or(|&least| least == 0) || !rising {
            return Some(format!("levels of side {side}: views must be positive numbers that rise"));
        }
        if self.sigma.len() != self.views.len() {
            let (rows, views) = (self.sigma.len(), self.views.len());
            return Some(format!(
                "levels of side {side}: sigma has {rows} rows for {views} numbers of views"
            ));
        }
        if self.sigma.iter().any(|row| row.len() != calls) {
            return Some(format!("levels of side {side}: every row of sigma must have {calls} values"));
        }
        let bad = self.sigma.iter().flatten().find(|sigma| !(sigma.is_finite() && **sigma > 0.0));
        bad.map(|sigma| format!("levels of side {side}: sigma = {sigma} must be positive and finite"))
    }

    /// `σₑ` at a call, counted from 0. Between two numbers of views `ln σₑ` is linear in the logarithm of their number;
    /// beyond all of them it is that of the nearest.
    pub fn sigma(&self, views: usize, call: usize) -> f64 {
        let above = self.views.partition_point(|&known| known < views);
        let known = |place: usize| {
            let row = self.sigma.get(place)?;
            let sigma = row.get(call.min(row.len().saturating_sub(1)))?;
            Some(((*self.views.get(place)? as f64).ln(), sigma.ln()))
        };
        match (above.checked_sub(1).and_then(known), known(above)) {
            (Some((low, at_low)), Some((high, at_high))) => {
                let share = ((views as f64).ln() - low) / (high - low);
                ((1.0 - share) * at_low + share * at_high).exp()
            }
            (Some((_, nearest)), None) | (None, Some((_, nearest))) => nearest.exp(),
            (None, None) => 0.0,
        }
    }

    /// How far its side is from another, as the size of the logarithm of their ratio.
    pub fn distance(&self, side: f64) -> f64 {
        (self.side as f64 / side).ln().abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Levels {
        let sigma = vec![vec![0.1, 0.1, 0.1, 0.1], vec![0.025, 0.02, 0.01, 0.004]];
        Levels { side: 32, views: vec![10, 40], sigma }
    }

    #[test]
    fn they_are_linear_in_the_logarithms_and_constant_beyond() {
        for (views, call, sigma) in
            [(20, 0, 0.05), (10, 3, 0.1), (40, 2, 0.01), (90, 7, 0.004), (5, 1, 0.1), (40, 3, 0.004)]
        {
            let found = levels().sigma(views, call);
            assert!((found / sigma - 1.0).abs() < 1e-12, "{views} views, call {call}: {found}");
        }
        assert!(levels().distance(64.0) > levels().distance(33.0));
    }

    #[test]
    fn impossible_numbers_are_named() {
        assert_eq!(levels().problem(4), None);
        let bad = [
            Levels { side: 0, ..levels() },
            Levels { views: vec![40, 10], ..levels() },
            Levels { views: vec![0, 10], ..levels() },
            Levels { views: vec![], ..levels() },
            Levels { views: vec![10], ..levels() },
            Levels { sigma: vec![vec![0.1; 3], vec![0.1; 4]], ..levels() },
            Levels { sigma: vec![vec![0.0; 4], vec![0.1; 4]], ..levels() },
            Levels { sigma: vec![vec![f64::NAN; 4], vec![0.1; 4]], ..levels() },
        ];
        for bad in bad {
            assert!(bad.problem(4).is_some(), "{bad:?}");
        }
    }
}
