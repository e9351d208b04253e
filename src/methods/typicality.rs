//! Whether a prior knows images of this kind.

use crate::models::Typical;
use crate::score::ScoreModel;
use crate::score::measure::bridge;
use crate::score::process::{Noise, Stream};
use candle_core::{Device, Result, Tensor};
use recon_operators::Picture;
use recon_pipelines::{SliceSeed, Typicality};

/// How a finished image is tried: it is noised once more and shown to the prior: `e = ‖D(x̂ + σz; σ) − x̂‖/(σ √n)`.
///
/// A denoiser takes noise away as well as it knows the image below. With n pixels the statistic is an average that varies
/// little among images of one kind, which is what makes a sample typical, while the density of an image says little: a
/// blank page is more probable than any scan (Nalisnick et al., "Detecting Out-of-Distribution Inputs to Deep
/// Generative Models Using Typicality", 2019). Both larger and smaller values than usual are a warning. One network
/// call; z depends on the slice alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// σ, in model units.
    pub noise: f64,
    /// The values that the model was trained on, in model units.
    pub values: [f64; 2],
}

/// The stream of random numbers is that of a sample that nobody draws.
const SAMPLE: u64 = u64::MAX;

impl Trial {
    /// As the card of a prior says.
    pub fn of_card(Typical { noise, values, .. }: Typical) -> Self {
        Self { noise, values }
    }

    /// How `model` takes an image in model units.
    ///
    /// # Errors
    /// When the model fails.
    pub fn of<P: Picture>(
        &self,
        model: &dyn ScoreModel,
        image: &P,
        seed: SliceSeed,
        device: &Device,
    ) -> Result<Typicality> {
        let Self { noise: sigma, values: [low, high] } = *self;
        let x = bridge::to_tensor(std::slice::from_ref(image), device)?;
        let (_, channels, rows, cols) = x.dims4()?;
        let stream = [Stream { slice: seed, sample: SAMPLE }];
        let mut noise = Noise::with_channels(&stream, (channels, rows, cols), device);
        let denoised = model.denoise(&(&x + (noise.draw()? * sigma)?)?, sigma)?;
        let values = image.intensities();
        let outside = values.iter().filter(|value| !(low..=high).contains(&f64::from(**value))).count();
        Ok(Typicality {
            denoising_error: root_mean_square(&(denoised - x)?)? / sigma,
            outside: outside as f64 / values.len().max(1) as f64,
        })
    }
}

fn root_mean_square(x: &Tensor) -> Result<f64> {
    Ok(f64::from(x.sqr()?.mean_all()?.to_scalar::<f32>()?).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Gaussian;
    use ndarray::Array2;
    use recon_operators::Field;

    const SEED: SliceSeed = SliceSeed { seed: 1, case: 0, slice: 0 };

    /// For `N(0, v)` the denoiser is `v x/(v + σ²)`, and `e² = (σ² x² + v² )/(v + σ²)²` on average.
    #[test]
    fn images_of_the_prior_have_the_error_of_its_denoiser() {
        let (variance, sigma) = (0.25, 0.5);
        let model = Gaussian::new(&Array2::zeros((100, 100)), variance, &Device::Cpu).unwrap();
        let trial = Trial { noise: sigma, values: [-1.0, 1.0] };
        let mut rng = Stream { slice: SEED, sample: 0 }.generator();
        let unit = Array2::<f32>::randn(&[100, 100], &mut rng);
        let error = |scale: f32| trial.of(&model, &(&unit * scale), SEED, &Device::Cpu).unwrap();
        for (scale, squared) in [(0.5, 0.5), (0.0, 0.25), (2.0, 4.25)] {
            let found = error(scale).denoising_error.powi(2);
            // The relative standard error of the mean of 10 000 squares is 1.4 %.
            assert!((found / squared - 1.0).abs() < 0.05, "{scale}: {found}");
        }
        // Two standard deviations.
        assert!((error(0.5).outside - 0.0455).abs() < 0.007);
    }
}
