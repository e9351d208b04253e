//! Moves that stay at one noise level and draw the samples towards its distribution.
//!
//! Langevin dynamics `x ← x + ε score + √(2ε) z`; the two correctors differ in the step size `ε` (Song et al.
//! 2021, Algorithms 4 and 5).

use super::Update;
use crate::score::ScoreModel;
use crate::score::process::Moment;
use crate::score::process::Noise;
use crate::score::tensors::{norms, scaled};
use candle_core::{Result, Tensor};

/// Whether images of a batch share the norms behind a Langevin step size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coupling {
    /// Every image has its own step size: a result does not depend on the batch.
    #[default]
    PerImage,
    /// Norms are averaged over the batch, as the published code does; for comparing with it.
    Batch,
}

/// `ε = 2 α (snr ‖z‖ / ‖score‖)²`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Langevin {
    /// Signal-to-noise ratio `r` (the dissertation's `η`).
    pub snr: f64,
    /// How many moves a call makes.
    pub moves: usize,
    /// Whether images of a batch share their step size.
    pub coupling: Coupling,
}

impl Langevin {
    /// One move a call, every image with its own step size.
    pub fn new(snr: f64) -> Self {
        Self { snr, moves: 1, coupling: Coupling::PerImage }
    }

    fn step_sizes(&self, score: &Tensor, z: &Tensor, scale: f64) -> Result<Vec<f64>> {
        let (mut score, mut z) = (norms(score)?, norms(z)?);
        if self.coupling == Coupling::Batch {
            share_mean(&mut score);
            share_mean(&mut z);
        }
        // Where the score vanishes the density has no slope to follow; an infinite step helps nobody.
        let size = |z: f64, s: f64| if s > 0.0 { 2.0 * scale * (self.snr * z / s).powi(2) } else { 0.0 };
        Ok(z.into_iter().zip(score).map(|(z, s)| size(z, s)).collect())
    }
}

impl Update for Langevin {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let scale = at.sde.langevin_scale(at.t, at.steps);
        let (mut x, mut mean) = (x.clone(), x.clone());
        for _ in 0..self.moves {
            let score = at.score(model, &x)?;
            let z = noise.draw()?;
            let sizes = self.step_sizes(&score, &z, scale)?;
            (x, mean) = langevin_move(&x, &score, &z, &sizes)?;
        }
        Ok((x, mean))
    }
}

/// `ε = 2 α (snr s(t))²`: annealed Langevin dynamics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnnealedLangevin {
    /// Step size relative to the noise level.
    pub snr: f64,
    /// How many moves a call makes.
    pub moves: usize,
}

impl Update for AnnealedLangevin {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let scale = at.sde.langevin_scale(at.t, at.steps);
        let size = 2.0 * scale * (self.snr * at.marginal().std).powi(2);
        let (mut x, mut mean) = (x.clone(), x.clone());
        for _ in 0..self.moves {
            let score = at.score(model, &x)?;
            let z = noise.draw()?;
            let sizes = vec![size; x.dim(0)?];
            (x, mean) = langevin_move(&x, &score, &z, &sizes)?;
        }
        Ok((x, mean))
    }
}

fn langevin_move(x: &Tensor, score: &Tensor, z: &Tensor, sizes: &[f64]) -> Result<(Tensor, Tensor)> {
    let mean = (x + scaled(score, sizes)?)?;
    let spread: Vec<f64> = sizes.iter().map(|size| (2.0 * size).sqrt()).collect();
    let x = (&mean + scaled(z, &spread)?)?;
    Ok((x, mean))
}

fn share_mean(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.fill(mean);
}
