//! Whether a prior knows images of this kind.

use super::{Noise, ScoreModel, Stream, UnitRule, bridge};
use anyhow::Result;
use candle_core::{Device, Tensor};
use ndarray::Array2;
use recon_operators::{Problem, Transform};
use recon_pipelines::{Estimate, Progress, Reconstruct, SliceSeed, Typicality};

/// How an image is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// σ, in model units.
    pub noise: f64,
    /// The values that the model was trained on, in model units.
    pub values: [f64; 2],
}

/// A method whose finished image is noised once more and shown to the prior: `e = ‖D(x̂ + σz; σ) − x̂‖/(σ √n)`.
///
/// A denoiser takes noise away as well as it knows the image below. With n pixels the statistic is an average that varies
/// little among images of one kind, which is what makes a sample typical, while the density of an image says little: a
/// blank page is more probable than any scan (Nalisnick et al., "Detecting Out-of-Distribution Inputs to Deep
/// Generative Models Using Typicality", 2019). Both larger and smaller values than usual are a warning. One network
/// call; z depends on the slice alone.
pub struct Tried<R, M> {
    /// The method.
    pub method: R,
    /// The prior.
    pub model: M,
    /// How physical values become the model's.
    pub unit: UnitRule,
    /// How to try.
    pub trial: Trial,
    /// Where the model lives.
    pub device: Device,
}

/// The stream of random numbers is that of a sample that nobody draws.
const SAMPLE: u64 = u64::MAX;

impl<R, M: ScoreModel> Tried<R, M> {
    fn typicality(&self, image: &Array2<f32>, seed: SliceSeed) -> candle_core::Result<Typicality> {
        let Trial { noise: sigma, values: [low, high] } = self.trial;
        let mut noise = Noise::new(&[Stream { slice: seed, sample: SAMPLE }], image.dim(), &self.device);
        let x = bridge::to_tensor(std::slice::from_ref(image), &self.device)?;
        let denoised = self.model.denoise(&(&x + (noise.draw()? * sigma)?)?, sigma)?;
        let outside = image.iter().filter(|value| !(low..=high).contains(&f64::from(**value))).count();
        Ok(Typicality {
            denoising_error: root_mean_square(&(denoised - x)?)? / sigma,
            outside: outside as f64 / image.len().max(1) as f64,
        })
    }
}

fn root_mean_square(x: &Tensor) -> candle_core::Result<f64> {
    Ok(f64::from(x.sqr()?.mean_all()?.to_scalar::<f32>()?).sqrt())
}

impl<T, R, M> Reconstruct<T> for Tried<R, M>
where
    T: Transform<Image = Array2<f32>>,
    R: Reconstruct<T>,
    M: ScoreModel,
{
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<Array2<f32>>> {
        let mut estimate = self.method.reconstruct(problem, seed, progress)?;
        let image = &estimate.image / self.unit.unit(problem)?;
        estimate.typicality = Some(self.typicality(&image, seed)?);
        estimate.network_calls += 1;
        Ok(estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Gaussian;
    use recon_operators::Field;

    const SEED: SliceSeed = SliceSeed { seed: 1, case: 0, slice: 0 };

    /// For `N(0, v)` the denoiser is `v x/(v + σ²)`, and `e² = (σ² x² + v² )/(v + σ²)²` on average.
    #[test]
    fn images_of_the_prior_have_the_error_of_its_denoiser() {
        let (variance, sigma) = (0.25, 0.5);
        let model = Gaussian::new(&Array2::zeros((100, 100)), variance, &Device::Cpu).unwrap();
        let trial = Trial { noise: sigma, values: [-1.0, 1.0] };
        let tried = Tried { method: (), model, unit: UnitRule::Fixed(1.0), trial, device: Device::Cpu };
        let mut rng = Stream { slice: SEED, sample: 0 }.generator();
        let unit = Array2::<f32>::randn(&[100, 100], &mut rng);
        let error = |scale: f32| tried.typicality(&(&unit * scale), SEED).unwrap();
        for (scale, squared) in [(0.5, 0.5), (0.0, 0.25), (2.0, 4.25)] {
            let found = error(scale).denoising_error.powi(2);
            // The relative standard error of the mean of 10 000 squares is 1.4 %.
            assert!((found / squared - 1.0).abs() < 0.05, "{scale}: {found}");
        }
        // Two standard deviations.
        assert!((error(0.5).outside - 0.0455).abs() < 0.007);
    }
}
