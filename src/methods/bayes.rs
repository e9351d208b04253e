//! The Bayes estimate of an image that was measured with noise.

use crate::score::measure::{UnitRule, bridge};
use crate::score::model::Counted;
use crate::score::process::{Noise, Stream};
use crate::score::{Bayes, ScoreModel};
use anyhow::Result;
use candle_core::{Device, Tensor};
use recon_operators::{Field, Picture, Problem, Transform};
use recon_pipelines::{Estimate, Map, Progress, Reconstruct, SliceSeed};

/// The posterior mean and standard deviation of an image under a prior, for a transform that keeps white noise white: of
/// [`Identity`](recon_operators::Identity) with every pixel measured.
pub struct Denoised<M> {
    /// The prior.
    pub model: M,
    /// The least and the largest noise that it knows, in its own units.
    pub range: (f64, f64),
    /// How physical values become the model's.
    pub unit: UnitRule,
    /// How the posterior is found.
    pub bayes: Bayes,
    /// Where the model lives.
    pub device: Device,
}

impl<M: ScoreModel> Denoised<M> {
    /// What 1 is for the model. Noise adds to the percentile of a slice, so that of a first estimate counts.
    fn unit<P: Picture>(&self, image: &P, noise: f64, model: &dyn ScoreModel) -> Result<f32> {
        let unit = self.unit.of(image)?;
        let UnitRule::Percentile { .. } = self.unit else { return Ok(unit) };
        let x = self.tensor(image, unit)?;
        let mut first: P = bridge::to_pictures(&model.denoise(&x, self.level(noise, unit))?)?.swap_remove(0);
        first.scale(unit);
        self.unit.of(&first)
    }

    /// The noise in model units, as far as the model knows it.
    fn level(&self, noise: f64, unit: f32) -> f64 {
        let (least, most) = self.range;
        (noise / f64::from(unit)).clamp(least, most)
    }

    fn tensor<P: Picture>(&self, image: &P, unit: f32) -> Result<Tensor> {
        let mut image = image.clone();
        image.scale(1.0 / unit);
        Ok(bridge::to_tensor(&[image], &self.device)?)
    }
}

impl<M: ScoreModel, T: Transform<Image: Picture>> Reconstruct<T> for Denoised<M> {
    fn reconstruct(
        &self,
        problem: &Problem<T>,
        seed: SliceSeed,
        progress: &dyn Progress,
    ) -> Result<Estimate<T::Image>> {
        let image = problem.transform.inverse(&problem.measured);
        let noise = problem.noise.root_mean_square(&problem.mask);
        let model = Counted::new(&self.model);
        let unit = self.unit(&image, noise, &model)?;
        let level = self.level(noise, unit);
        let x = self.tensor(&image, unit)?;
        let (_, channels, rows, cols) = x.dims4()?;
        let stream = [Stream { slice: seed, sample: 0 }];
        let mut signs = Noise::with_channels(&stream, (channels, rows, cols), &self.device);
        let posterior = self.bayes.posterior(&model, (&x, level), &mut signs, progress)?;
        let physical = |x: &Tensor| -> Result<T::Image> {
            let mut picture: T::Image = bridge::to_pictures(x)?.swap_remove(0);
            picture.scale(unit);
            Ok(picture)
        };
        let (mean, std) = (physical(&posterior.mean)?, physical(&posterior.variances.deviation()?)?);
        let remark = self.unknown(noise / f64::from(unit)).or_else(|| unlikely(&image, (&mean, &std), noise));
        let found = Estimate::plain(mean, model.calls());
        Ok(Estimate { maps: vec![(Map::Std, std)], remark, ..found })
    }
}

impl<M> Denoised<M> {
    /// What a user should know of noise, in model units, that the model does not know.
    fn unknown(&self, level: f64) -> Option<String> {
        let (least, most) = self.range;
        let known = format!("the model knows {least} to {most} of its range");
        if level < least {
            return Some(format!(
                "the noise is {level:.2e} of the range of the model, less than it knows; {known}"
            ));
        }
        (level > most).then(|| {
            format!("the noise is {level:.1} of the range of the model, more than it knows; {known}")
        })
    }
}

/// How many times as large as it is said to be noise may look.
const LIKELY: std::ops::RangeInclusive<f64> = 0.85..=1.2;

/// What a user should know where the noise is not what it is said to be: of a posterior with mean x̂ and variances s² the
/// mean of `(y − x̂)² + s²` is that of the noise.
fn unlikely<P: Picture>(image: &P, (mean, std): (&P, &P), noise: f64) -> Option<String> {
    let mut difference = image.clone();
    difference.add_scaled(-1.0, mean);
    let pixels = image.intensities().len().max(1) as f64;
    let seen = ((difference.norm().powi(2) + std.norm().powi(2)) / pixels).sqrt() / noise;
    (!LIKELY.contains(&seen)).then(|| {
        format!(
            "the noise looks {seen:.2} times as large as it is said to be, or is not white; check --noise-std, and what the \
             air of magnitudes does"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::Gaussian;
    use ndarray::Array2;
    use recon_operators::{DataNoise, Identity, Mask};
    use recon_pipelines::Silent;

    const SEED: SliceSeed = SliceSeed { seed: 0, case: 0, slice: 0 };

    /// Values around `centre` with this standard deviation, from the measurement's stream, and the method for their prior in
    /// units of 4.
    fn example(centre: f32, std: f32) -> (Array2<f32>, Denoised<Gaussian>) {
        let clean = <Array2<f32> as Field>::randn(&[24, 20], &mut SEED.implants()) * std + centre;
        let mean = Array2::from_elem((24, 20), centre / 4.0);
        let model = Gaussian::new(&mean, f64::from(std / 4.0).powi(2), &Device::Cpu).unwrap();
        let bayes = Bayes { probe_spacing: 2, probes: 1 };
        let (unit, range) = (UnitRule::Fixed(4.0), (1e-3, 10.0));
        (clean, Denoised { model, range, unit, bayes, device: Device::Cpu })
    }

    fn problem(clean: &Array2<f32>, noise: f32, told: f32) -> Problem<Identity> {
        let (rows, cols) = clean.dim();
        let measured =
            clean + &(<Array2<f32> as Field>::randn(&[rows, cols], &mut SEED.measurement()) * noise);
        let problem = Problem::new(Identity { rows, cols }, Mask::full(rows * cols), measured).unwrap();
        Problem { noise: DataNoise::white(told), ..problem }
    }

    /// In physical units `x̂ = (m n² + y v)/(v + n²)`, `s² = v n²/(v + n²)`.
    #[test]
    fn the_estimate_and_its_deviation_have_their_closed_form_in_the_unit_of_the_image() {
        let (clean, method) = example(3.0, 0.8);
        let problem = problem(&clean, 0.6, 0.6);
        let found = method.reconstruct(&problem, SEED, &Silent).unwrap();
        let (v, n) = (0.64, 0.36);
        let expected = problem.measured.mapv(|y| (3.0 * n + y * v) / (v + n));
        assert!((&found.image - &expected).iter().all(|d| d.abs() < 1e-5));
        let std = found.map(Map::Std).unwrap();
        assert!(std.iter().all(|s| (s - (v * n / (v + n)).sqrt()).abs() < 1e-4), "{std}");
        assert_eq!((found.network_calls, &found.remark), (1 + 2 * 4, &None));
        // The error of the estimate is what its deviation says, within four standard errors of 480 squares.
        let ratio = (&found.image - &clean).mapv(|d| d * d).mean().unwrap() / 0.2304;
        assert!((ratio - 1.0).abs() < 4.0 * (2.0_f32 / 480.0).sqrt(), "{ratio}");
    }

    #[test]
    fn noise_that_is_not_what_it_is_said_to_be_is_told() {
        // A prior that leaves little to the image: a broad one takes any noise for structure.
        let (clean, method) = example(3.0, 0.1);
        let remark = |noise, told| {
            method
                .reconstruct(&problem(&clean, noise, told), SEED, &Silent)
                .unwrap()
                .remark
                .unwrap_or_default()
        };
        assert_eq!(remark(0.6, 0.6), "");
        assert!(remark(0.6, 0.2).contains("times as large"));
        assert!(remark(0.2, 0.6).contains("times as large"));
        assert!(remark(1e-5, 1e-4).contains("less than it knows"));
        assert!(remark(100.0, 100.0).contains("more than it knows"));
    }
}
