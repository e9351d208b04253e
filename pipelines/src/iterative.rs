//! What the iterative classical methods share: their start and their progress.

use crate::{Estimate, Progress, cancelled};
use anyhow::Result;
use ndarray::Array2;
use recon_operators::{Problem, Transform};

/// What `solve` finds from `T⁻¹ Λ y` in `steps` iterations; it calls its second argument after each of them.
///
/// # Errors
/// When the user has cancelled.
pub(crate) fn from_direct<T: Transform<Image = Array2<f32>>>(
    problem: &Problem<T>,
    steps: usize,
    progress: &dyn Progress,
    solve: impl FnOnce(Array2<f32>, &mut dyn FnMut(usize)) -> Array2<f32>,
) -> Result<Estimate<Array2<f32>>> {
    let start = problem.transform.inverse(&problem.measured);
    let image = solve(start, &mut |done| progress.step(done, steps));
    if progress.cancelled() { Err(cancelled()) } else { Ok(Estimate::classical(image)) }
}
