//! Underdamped Langevin dynamics as a corrector.

use super::Update;
use crate::score::ScoreModel;
use crate::score::process::Moment;
use crate::score::process::Noise;
use candle_core::{Result, Tensor};

/// `dx = v dt`, `dv = (score − γ v) dt + √(2γ) dw` in the order kick, drift, friction, drift, kick (BAOAB,
/// Leimkuhler and Matthews, "Rational Construction of Stochastic Numerical Methods", 2013):
///
/// ```text
/// v += h/2 score(x);  x += h/2 v;  v = e^{−γh} v + √(1 − e^{−2γh}) z;  x += h/2 v;  v += h/2 score(x)
/// ```
///
/// with `h = step · s(t)` and `γ = friction / s(t)`, so that one setting serves all noise levels. Velocities
/// start from `N(0, I)` at every call. Cost: `moves + 1` calls of the score; draws: the velocity, then one a
/// move. For Gaussians the limit distribution of `x` is exact at any stable step (`h` below twice the standard
/// deviation of `pₜ`, which is at least `s(t)`); elsewhere its bias falls with `h²`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnderdampedLangevin {
    /// `h/s(t)`, below 2.
    pub step: f64,
    /// `γ s(t)`: small values go far in one direction, large ones walk randomly as [`Langevin`](super::Langevin).
    pub friction: f64,
    /// How many moves a call makes.
    pub moves: usize,
}

impl Update for UnderdampedLangevin {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let h = self.step * at.marginal().std;
        let kept = (-self.friction * self.step).exp();
        let fresh = (1.0 - kept * kept).sqrt();
        let mut x = x.clone();
        let mut v = noise.draw()?;
        let mut force = at.score(model, &x)?;
        for _ in 0..self.moves {
            v = advanced(&v, 0.5 * h, &force)?;
            x = advanced(&x, 0.5 * h, &v)?;
            v = ((v * kept)? + (noise.draw()? * fresh)?)?;
            x = advanced(&x, 0.5 * h, &v)?;
            force = at.score(model, &x)?;
            v = advanced(&v, 0.5 * h, &force)?;
        }
        Ok((x.clone(), x))
    }
}

/// `x + h v`
pub(in crate::score) fn advanced(x: &Tensor, h: f64, v: &Tensor) -> Result<Tensor> {
    x + (v * h)?
}
