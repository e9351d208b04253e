//! Sparsity in wavelets: what compressed sensing began with in MRI.

use super::iterative::from_direct;
use crate::{Estimate, Progress, Reconstruct, SliceSeed};
use anyhow::Result;
use ndarray::Array2;
use recon_operators::solvers::{WaveletSettings, fista_wavelet};
use recon_operators::{Problem, Transform};

/// `argmin ½‖Λ(T x − y)‖² + w·‖W x‖₁` by FISTA, W the orthonormal db4 wavelets (Lustig, Donoho and Pauly, Magn.
/// Reson. Med. 58, 2007), started from `T⁻¹ Λ y`.
///
/// The weight is unitless; see [`fista_wavelet`].
pub struct L1Wavelet {
    /// Weight and number of iterations.
    pub settings: WaveletSettings,
}

impl<T: Transform<Image = Array2<f32>>> Reconstruct<T> for L1Wavelet {
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        _seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        from_direct(problem, self.settings.iterations, progress, |start, on_step| {
            fista_wavelet(problem, &problem.measured, start, &self.settings, on_step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::mri;
    use crate::{Silent, ZeroFilled};
    use recon_operators::{PhasedFourier, Sampling, SamplingPlan};

    #[test]
    fn wavelets_beat_zero_filling() {
        let image = Array2::from_shape_fn((40, 44), |(i, j)| {
            if (10..30).contains(&i) && (8..25).contains(&j) { 1.0 + 0.01 * i as f32 } else { 0.0 }
        });
        let plan = SamplingPlan { sampling: Sampling::Gaussian1d, ..SamplingPlan::equispaced(3.0) };
        let problem = mri::measure(&image, &plan.mask(40, 44).expect("valid")).expect("fits");
        let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
        let error = |method: &dyn Reconstruct<PhasedFourier>| {
            let found = method.reconstruct(&problem, seed, &Silent).expect("runs").image;
            (found - &image).mapv(|d| d * d).sum().sqrt()
        };
        let method = L1Wavelet { settings: WaveletSettings { weight: 0.005, iterations: 60 } };
        let (wavelet, zero_filled) = (error(&method), error(&ZeroFilled));
        assert!(wavelet < 0.8 * zero_filled, "{wavelet} against {zero_filled}");
    }
}
