//! Hamiltonian Monte Carlo as a corrector.

use super::Update;
use super::underdamped::advanced;
use crate::score::ScoreModel;
use crate::score::process::Moment;
use crate::score::process::Noise;
use crate::score::tensors::dot;
use candle_core::{DType, Result, Tensor};

/// Whether the end of a trajectory is always taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acceptance {
    /// Always: the law is that of the leapfrog's own energy, whose variance is too large by `1/(1 − h²/4v)` for a
    /// Gaussian of variance `v`.
    All,
    /// Metropolis. A score knows no energy, so the difference of `log pₜ` is the trapezoidal sum of `score · dx`
    /// along the trajectory. It costs no call, is exact for Gaussians and off by the third power of the step
    /// elsewhere, as far as the score is a gradient at all.
    #[default]
    AlongPath,
}

/// Velocities from `N(0, I)`, then `leapfrogs` steps of kick, drift, kick (Neal, "MCMC using Hamiltonian
/// dynamics", 2011), with step `h = step · s(t)`; `moves` times.
///
/// Cost: `moves · leapfrogs + 1` calls of the score. Draws: for every move the velocity, then, with Metropolis,
/// one uniform number an image. Every image is accepted by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hamiltonian {
    /// `h/s(t)`, below 2.
    pub step: f64,
    /// Steps of a trajectory.
    pub leapfrogs: usize,
    /// How many trajectories a call makes.
    pub moves: usize,
    /// Whether their ends are always taken.
    pub acceptance: Acceptance,
}

/// A point, its score, and how far `log pₜ` has risen on the way to it for each image.
struct Point {
    x: Tensor,
    score: Tensor,
    rise: Tensor,
}

impl Hamiltonian {
    /// The end of the trajectory from `x` with velocity `v`, and the velocity there.
    fn trajectory(
        &self,
        start: &Point,
        mut v: Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
    ) -> Result<(Point, Tensor)> {
        let h = self.step * at.marginal().std;
        let (mut x, mut score, mut rise) = (start.x.clone(), start.score.clone(), start.rise.clone());
        for _ in 0..self.leapfrogs {
            let half = advanced(&v, 0.5 * h, &score)?;
            x = advanced(&x, h, &half)?;
            let next = at.score(model, &x)?;
            rise = (rise + dot(&(score + &next)?, &half)?.affine(0.5 * h, 0.0)?)?;
            score = next;
            v = advanced(&half, 0.5 * h, &score)?;
        }
        Ok((Point { x, score, rise }, v))
    }
}

impl Update for Hamiltonian {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let rise = Tensor::zeros(x.dim(0)?, DType::F64, x.device())?;
        let mut point = Point { x: x.clone(), score: at.score(model, x)?, rise: rise.clone() };
        for _ in 0..self.moves {
            let v = noise.draw()?;
            let before = dot(&v, &v)?;
            let (end, v) = self.trajectory(&point, v, at, model)?;
            let log_ratio = (&end.rise - ((dot(&v, &v)? - before)? * 0.5)?)?;
            point = match self.acceptance {
                Acceptance::All => end,
                Acceptance::AlongPath => accepted(&point, end, &log_ratio.to_vec1()?, noise)?,
            };
            point.rise = rise.clone();
        }
        Ok((point.x.clone(), point.x))
    }
}

/// For every image the new point with probability `min(1, e^{log ratio})`, else the old one.
fn accepted(old: &Point, new: Point, log_ratio: &[f64], noise: &mut Noise) -> Result<Point> {
    let uniform = noise.uniform(1)?;
    // A trajectory that has left the numbers compares as false and is rejected.
    let takes = uniform.iter().zip(log_ratio).map(|(u, ratio)| u8::from(u[0].ln() < *ratio)).collect();
    let takes: Vec<u8> = takes;
    let takes = Tensor::from_vec(takes, (log_ratio.len(), 1, 1, 1), new.x.device())?;
    let choose = |new: &Tensor, old: &Tensor| takes.broadcast_as(new.shape())?.where_cond(new, old);
    Ok(Point { x: choose(&new.x, &old.x)?, score: choose(&new.score, &old.score)?, rise: new.rise })
}
