//! Adaptive Runge-Kutta integration of fifth order, with values between the steps.

use super::tableau::{ERROR, INTERPOLANT, NODES, STAGES, WEIGHTS};
use anyhow::{Result, ensure};

/// The Dormand-Prince pair 5(4) with local extrapolation and the step control of `scipy.integrate.RK45`.
///
/// A step is taken when the root mean square of `error / (atol + rtol max(|y|, |y'|))` over all components is
/// below 1, and the next one is `0.9 rms^{−1/5}` times as long, within a factor of 0.2 to 10. The first step is
/// that of Hairer, Nørsett and Wanner, "Solving Ordinary Differential Equations I", section II.4. Cost: 2 calls
/// and 6 for every step tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DormandPrince {
    /// Relative tolerance.
    pub rtol: f64,
    /// Absolute tolerance.
    pub atol: f64,
    /// After how many tried steps to give up.
    pub max_steps: usize,
}

impl Default for DormandPrince {
    /// The published tolerances, `10⁻⁵` both.
    fn default() -> Self {
        Self { rtol: 1e-5, atol: 1e-5, max_steps: 10_000 }
    }
}

/// What came of an integration.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The state at the end.
    pub state: Vec<f64>,
    /// How often the slope was asked for.
    pub calls: usize,
    /// How many steps were taken.
    pub steps: usize,
    /// How many steps were tried and found too long.
    pub rejected: usize,
}

/// One accepted step, and the states within it.
pub struct Segment {
    /// Where it starts.
    pub start: f64,
    /// Where it ends; before `start` when time runs backwards.
    pub end: f64,
    state: Vec<f64>,
    slopes: Vec<Vec<f64>>,
}

impl Segment {
    /// The state at `t` between start and end, to fourth order.
    pub fn at(&self, t: f64) -> Vec<f64> {
        let h = self.end - self.start;
        let fraction = (t - self.start) / h;
        let powers = [1, 2, 3, 4].map(|k| fraction.powi(k));
        let weights = INTERPOLANT.map(|row| row.iter().zip(powers).map(|(p, power)| p * power).sum());
        moved(&self.state, h, &self.slopes, &weights)
    }
}

type Slope<'a> = dyn FnMut(f64, &[f64]) -> Result<Vec<f64>> + 'a;

impl DormandPrince {
    /// Integrates `dy/dt = slope(t, y)` from `state` at `start` to `end`, in either direction. `on_step` is shown
    /// every accepted step; it may keep it, for the states in between, and stop with an error of its own.
    ///
    /// # Errors
    /// Those of `slope` and `on_step`; when the slope is not finite, or the steps become too short or too many.
    pub fn integrate(
        &self,
        slope: &mut Slope<'_>,
        (start, end): (f64, f64),
        state: Vec<f64>,
        on_step: &mut dyn FnMut(Segment) -> Result<()>,
    ) -> Result<Solution> {
        let direction = (end - start).signum();
        let mut first = slope(start, &state)?;
        let mut length = self.first_length(slope, (start, end), &state, &first)?;
        let mut solution = Solution { state, calls: 2, steps: 0, rejected: 0 };
        let (mut t, mut retry) = (start, false);
        while (end - t) * direction > 0.0 {
            ensure!(solution.steps + solution.rejected < self.max_steps, "the solver took too many steps");
            ensure!(length > 10.0 * f64::EPSILON * t.abs(), "the solver's steps became too short at {t}");
            let next =
                if (t + direction * length - end) * direction > 0.0 { end } else { t + direction * length };
            let h = next - t;
            let (slopes, moved) = stages(slope, t, h, &solution.state, first.clone())?;
            solution.calls += 6;
            let error = self.error(h, &slopes, &solution.state, &moved);
            ensure!(error.is_finite(), "the slope is not finite near {t}");
            length = h.abs() * factor(error, retry);
            retry = error >= 1.0;
            if retry {
                solution.rejected += 1;
                continue;
            }
            solution.steps += 1;
            first.clone_from(&slopes[STAGES - 1]);
            let state = std::mem::replace(&mut solution.state, moved);
            on_step(Segment { start: t, end: next, state, slopes })?;
            t = next;
        }
        Ok(solution)
    }

    /// The length of the first step.
    fn first_length(
        &self,
        slope: &mut Slope<'_>,
        (start, end): (f64, f64),
        state: &[f64],
        first: &[f64],
    ) -> Result<f64> {
        let span = (end - start).abs();
        let scale: Vec<f64> = state.iter().map(|y| self.atol + self.rtol * y.abs()).collect();
        let (d0, d1) = (rms(state, &scale), rms(first, &scale));
        let guess = if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 }.min(span);
        let h = guess * (end - start).signum();
        let probe: Vec<f64> = state.iter().zip(first).map(|(y, f)| y + h * f).collect();
        let other = slope(start + h, &probe)?;
        let change: Vec<f64> = other.iter().zip(first).map(|(a, b)| a - b).collect();
        let d2 = rms(&change, &scale) / guess;
        let length =
            if d1 <= 1e-15 && d2 <= 1e-15 { (guess * 1e-3).max(1e-6) } else { (0.01 / d1.max(d2)).powf(0.2) };
        Ok(length.min(100.0 * guess).min(span))
    }

    /// The estimated error of a step in units of what is allowed.
    fn error(&self, h: f64, slopes: &[Vec<f64>], before: &[f64], after: &[f64]) -> f64 {
        let scale: Vec<f64> =
            before.iter().zip(after).map(|(a, b)| self.atol + self.rtol * a.abs().max(b.abs())).collect();
        rms(&moved(&vec![0.0; before.len()], h, slopes, &ERROR), &scale)
    }
}

/// By how much the next step is longer. A step that follows a rejected one does not grow.
fn factor(error: f64, retry: bool) -> f64 {
    let wanted = if error == 0.0 { f64::INFINITY } else { 0.9 * error.powf(-0.2) };
    if error >= 1.0 { wanted.max(0.2) } else { wanted.min(if retry { 1.0 } else { 10.0 }) }
}

/// The seven slopes of a step, and the state at its end.
fn stages(
    slope: &mut Slope<'_>,
    t: f64,
    h: f64,
    state: &[f64],
    first: Vec<f64>,
) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
    let mut slopes = vec![first];
    let mut y = Vec::new();
    for (weights, node) in WEIGHTS.iter().zip(&NODES[1..]) {
        y = moved(state, h, &slopes, weights);
        slopes.push(slope(t + node * h, &y)?);
    }
    Ok((slopes, y))
}

/// `y + h Σ weightᵢ slopeᵢ`
fn moved(y: &[f64], h: f64, slopes: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut y = y.to_vec();
    for (slope, weight) in slopes.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
        y.iter_mut().zip(slope).for_each(|(y, slope)| *y += h * weight * slope);
    }
    y
}

/// Root mean square of `values / scale`.
fn rms(values: &[f64], scale: &[f64]) -> f64 {
    let sum: f64 = values.iter().zip(scale).map(|(v, s)| (v / s).powi(2)).sum();
    (sum / values.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests;
