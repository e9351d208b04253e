//! The phase of measured images, so that the unknown is real.

use anyhow::Result;
use ndarray::Array2;
use num_complex::Complex32;
use recon_operators::solvers::{TvSettings, fista_tv};
use recon_operators::{
    Mask, Problem, StackedFourier, Transform, low_resolution_phase, phase_misfit, phase_of,
};
use std::ops::ControlFlow;

/// From here on, in units of the image, what the phase model leaves is neither noise nor rounding.
const PHASE_MISFIT: f64 = 0.05;

/// How a complex image is found for its phase alone.
const PHASE_TV: TvSettings = TvSettings { weight: 0.002, iterations: 80, nonnegative: false };

/// Whether the phase of what was measured is not that of its sampled centre.
pub(super) fn is_fast(measured: &Array2<Complex32>, mask: &Mask) -> bool {
    phase_misfit(measured, mask) > PHASE_MISFIT
}

/// `e^{iφ}` of the image of k-space: that of its sampled centre, or where it changes faster than that shows, of the complex
/// image of least total variation.
///
/// # Errors
/// When the mask does not fit.
pub(super) fn of(measured: &Array2<Complex32>, mask: &Mask) -> Result<Array2<Complex32>> {
    if is_fast(measured, mask) { fine(measured, mask) } else { Ok(low_resolution_phase(measured, mask)) }
}

/// `e^{iφ}` of the complex image of least total variation, in its real and in its imaginary part.
fn fine(measured: &Array2<Complex32>, mask: &Mask) -> Result<Array2<Complex32>> {
    let (rows, cols) = measured.dim();
    let stacked = StackedFourier::new(rows, cols);
    let problem = Problem::new(stacked.clone(), mask.clone(), measured.clone())?;
    let start = stacked.inverse(measured);
    let image = fista_tv(&problem, measured, start, &PHASE_TV, &mut |_| ControlFlow::Continue(()));
    Ok(phase_of(&stacked.joined(&image)))
}
