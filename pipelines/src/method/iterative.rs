//! What the iterative classical methods share: their start and their progress.

use crate::{Cancelled, Estimate, Progress};
use anyhow::Result;
use ndarray::Array2;
use recon_operators::solvers::OnStep;
use recon_operators::{Problem, Transform};
use std::ops::ControlFlow;

/// What `solve` finds from `T⁻¹ Λ y` in `steps` iterations; it calls its second argument after each of them.
///
/// # Errors
/// [`Cancelled`]
pub(crate) fn from_direct<T: Transform<Image = Array2<f32>>>(
    problem: &Problem<T>,
    steps: usize,
    progress: &dyn Progress,
    solve: impl FnOnce(Array2<f32>, OnStep<'_>) -> Array2<f32>,
) -> Result<Estimate<Array2<f32>>> {
    from_image(problem.transform.inverse(&problem.measured), steps, progress, solve)
}

/// What `solve` finds from `start`; as [`from_direct`].
///
/// # Errors
/// [`Cancelled`]
pub(crate) fn from_image(
    start: Array2<f32>,
    steps: usize,
    progress: &dyn Progress,
    solve: impl FnOnce(Array2<f32>, OnStep<'_>) -> Array2<f32>,
) -> Result<Estimate<Array2<f32>>> {
    let mut on_step = |done| {
        progress.step(done, steps);
        if progress.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let image = solve(start, &mut on_step);
    if progress.cancelled() { Err(Cancelled.into()) } else { Ok(Estimate::classical(image)) }
}
