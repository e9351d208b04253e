//! The Bayes estimate of an image from its noisy version, and how sure it is.

use super::{DifferencedCovariance, Probing, Variances, covariance};
use crate::knobs::{Info, Knob, Range, SamplerSettings, SettingError, Table};
use crate::score::ScoreModel;
use crate::score::process::Noise;
use anyhow::Result;
use candle_core::Tensor;
use recon_pipelines::{Cancelled, Progress, Task};
use serde::{Deserialize, Serialize};

/// Posterior mean `x̂ = x + σ² s(x; σ)` (Robbins 1956, Miyasawa 1961) and the diagonal of the posterior covariance
/// `σ² (I + σ² ∇s)`, both exact for an exact score. One call of the model for the mean, and
/// `2 probe_spacing² probes` for the variances.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bayes {
    /// Distance of the pixels whose variances are found together: covariances between them disturb, others do not.
    pub probe_spacing: usize,
    /// How often each is found, with other signs; the mean counts.
    pub probes: usize,
}

/// The mean of a posterior and its variances.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// `E[x₀ | x]`
    pub mean: Tensor,
    /// `Var[x₀ | x]` of every pixel.
    pub variances: Variances,
}

/// How far differences reach, in units of the noise: far enough for single precision, and little beside what bends a
/// denoiser.
const REACH: f64 = 0.1;

impl Bayes {
    /// What a model says of the clean image behind `x`, which is `x₀ + std z`.
    ///
    /// # Errors
    /// When the model fails, or [`Cancelled`].
    pub fn posterior(
        &self,
        model: &dyn ScoreModel,
        (x, std): (&Tensor, f64),
        noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Posterior> {
        let mean = model.denoise(x, std)?;
        let covariance = DifferencedCovariance { model, x, std, reach: REACH };
        let probing = Probing::Lattice { spacing: self.probe_spacing, rounds: self.probes };
        let groups = probing.groups(x, noise)?;
        let steps = 1 + groups.iter().map(Vec::len).sum::<usize>();
        let mut done = 1;
        let mut rounds = Vec::with_capacity(groups.len());
        for directions in groups {
            let mut products = Vec::with_capacity(directions.len());
            for direction in &directions {
                if progress.cancelled() {
                    return Err(Cancelled.into());
                }
                progress.step(done, steps);
                products.push(covariance.product(direction)?);
                done += 1;
            }
            rounds.push(covariance::estimate(&directions, &products)?);
        }
        progress.step(done, steps);
        Ok(Posterior { mean, variances: Variances::new(&rounds)? })
    }
}

impl SamplerSettings for Bayes {
    const INFO: Info = Info {
        name: "bayes",
        aliases: &[],
        about: "The posterior mean under the learned prior, with its standard deviation",
        source: "Robbins 1956, Miyasawa 1961 (empirical Bayes); Saremi and Srivastava 2022 (several measurements)",
        tasks: &[Task::Denoise],
        knobs: &[
            Knob::new(
                "probe-spacing",
                Range::Count(1),
                "Distance in pixels within which covariances do not disturb the standard deviation; its square times \
                 the probes is the number of pairs of network calls",
            ),
            Knob::new(
                "probes",
                Range::Count(1),
                "How often every variance is found, with other random signs",
            ),
        ],
        learned: true,
        noise: true,
    };

    fn defaults(_task: Task, _given: &Table) -> Self {
        Self { probe_spacing: 4, probes: 1 }
    }

    fn check(&self) -> Result<(), SettingError> {
        let most = 64;
        if self.probe_spacing > most {
            let message = format!("{}: reaches over the image; give at most {most}", self.probe_spacing);
            return Err(SettingError::new("probe-spacing", message));
        }
        Ok(())
    }

    fn with_steps(&self, _steps: usize, _trial: bool) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Gaussian;
    use crate::score::process::Stream;
    use candle_core::Device;
    use recon_pipelines::{Silent, SliceSeed};

    /// `x̂ = (m n² + x v)/(v + n²)` and `Var = v n²/(v + n²)` for `N(m, v)` and noise n.
    #[test]
    fn a_gaussian_prior_has_its_closed_form() {
        let (mean, variance, std) = (0.3, 0.04, 0.15);
        let model =
            Gaussian::new(&ndarray::Array2::from_elem((9, 7), mean as f32), variance, &Device::Cpu).unwrap();
        let x = Tensor::arange(0_f32, 63.0, &Device::Cpu).unwrap().reshape((1, 1, 9, 7)).unwrap();
        let x = (x * 0.02).unwrap();
        let slice = SliceSeed { seed: 0, case: 0, slice: 0 };
        let mut noise = Noise::new(&[Stream { slice, sample: 0 }], (9, 7), &Device::Cpu);
        let bayes = Bayes { probe_spacing: 3, probes: 2 };
        let found = bayes.posterior(&model, (&x, std), &mut noise, &Silent).unwrap();
        let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let total = variance + std * std;
        for (x, found) in flat(&x).into_iter().zip(flat(&found.mean)) {
            let expected = (mean * std * std + f64::from(x) * variance) / total;
            assert!((f64::from(found) - expected).abs() < 1e-6, "{found} is not {expected}");
        }
        let expected = (variance * std * std / total).sqrt();
        for found in flat(&found.variances.deviation().unwrap()) {
            assert!((f64::from(found) / expected - 1.0).abs() < 1e-4, "{found} is not {expected}");
        }
    }
}
