//! DPM-Solver++ in its multistep form of second order.

use super::LevelSolver;
use crate::score::ScoreModel;
use crate::score::process::Noise;
use candle_core::{Result, Tensor};

/// DPM-Solver++(2M) (Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic
/// Models", 2022, Algorithm 2) for images with added noise. With `λ = −ln σ`, `h = λ' − λ` and `r` the step
/// before over `h`:
///
/// ```text
/// D̃ = (1 + 1/2r) D(x; σ) − 1/2r D_before;   x' = σ'/σ x + (1 − e^{−h}) D̃
/// ```
///
/// One call a step. The first step, and the last one to 0, are of first order: `D̃ = D`.
#[derive(Clone, Debug, Default)]
pub(in crate::score) struct DpmPlusPlus {
    before: Option<Before>,
}

/// The denoised batch of the step before, and the length of that step in `ln σ`.
#[derive(Clone, Debug)]
struct Before {
    clean: Tensor,
    length: f64,
}

impl LevelSolver for DpmPlusPlus {
    fn step(
        &mut self,
        x: &Tensor,
        from: f64,
        to: f64,
        model: &dyn ScoreModel,
        _noise: &mut Noise,
    ) -> Result<Tensor> {
        let clean = model.denoise(x, from)?;
        let length = (from / to).ln();
        let guess = match self.before.take() {
            Some(before) if length.is_finite() => {
                let weight = 0.5 * length / before.length;
                ((&clean * (1.0 + weight))? - (before.clean * weight)?)?
            }
            _ => clean.clone(),
        };
        self.before = Some(Before { clean, length });
        (x * (to / from))? + (guess * (1.0 - to / from))?
    }
}
