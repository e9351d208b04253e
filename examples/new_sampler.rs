//! A sampler that the program does not have: its settings, its loop, and a run on a simulated CT slice.
//!
//! `cargo run --release --example new_sampler`
//!
//! Everything above `main` is what a file in `src/score/samplers/` would hold; there, one arm in `src/settings/sampler.rs`
//! makes it a `--method`.

use anyhow::Result;
use recon::candle_core::{Device, Tensor};
use recon::data::{Modality, WATER_ATTENUATION};
use recon::models::{ModelSource, open};
use recon::ndarray::Array2;
use recon::operators::{Filter, LinearOperator, Mask, ParallelBeam, Problem, Radon};
use recon::pipelines::{Direct, Progress, Reconstruct, Silent, SliceSeed};
use recon::score::{
    Autograd, Differentiable, Measured, Noise, Sampler, Schedule, Start, UnitRule, Weighting,
};

/// Plug-and-play descent: at falling noise levels the image is denoised and taken a step towards the data,
/// `x ← D(x; σ)`, `x ← x + Aᴴ(y − A x)/‖A‖²`.
struct PlugAndPlay {
    /// Number of noise levels.
    steps: usize,
    /// The first of them, in model units.
    sigma_start: f64,
    /// The last of them.
    sigma_end: f64,
    /// Steps towards the data at every level.
    data_steps: usize,
}

impl Sampler for PlugAndPlay {
    fn wants_start(&self) -> bool {
        true
    }

    fn draw(
        &self,
        prior: &dyn Differentiable,
        measured: &dyn Measured,
        start: Start<'_>,
        _noise: &mut Noise,
        progress: &dyn Progress,
    ) -> Result<Tensor> {
        let schedule = Schedule::Geometric { sigma_min: self.sigma_end, sigma_max: self.sigma_start };
        let size = measured.norm().powi(-2);
        let mut x = start.0.ok_or_else(|| anyhow::anyhow!("give an image to start from"))?.clone();
        for (step, sigma) in schedule.levels(self.steps).into_iter().enumerate() {
            x = prior.denoise(&x, sigma)?;
            for _ in 0..self.data_steps {
                x = (&x + measured.pull(&x, Weighting::Even(1.0))?.affine(size, 0.0)?)?;
            }
            progress.step(step + 1, self.steps);
        }
        Ok(x)
    }
}

/// Water with two holes and a bright insert, in 1/mm.
fn phantom(side: usize) -> Array2<f32> {
    let centre = side as f32 / 2.0 - 0.5;
    let disc = |i: usize, j: usize, (y, x, r): (f32, f32, f32)| {
        (i as f32 - centre - y * centre).hypot(j as f32 - centre - x * centre) < r * centre
    };
    Array2::from_shape_fn((side, side), |(i, j)| match () {
        () if disc(i, j, (-0.2, -0.35, 0.22)) || disc(i, j, (-0.2, 0.35, 0.22)) => 0.0,
        () if disc(i, j, (0.4, 0.0, 0.12)) => 1.8 * WATER_ATTENUATION,
        () if disc(i, j, (0.0, 0.0, 0.8)) => WATER_ATTENUATION,
        () => 0.0,
    })
}

fn main() -> Result<()> {
    let truth = phantom(128);
    let radon = Radon::new(ParallelBeam::equally_spaced(128, 128, 2.0, 23), Filter::Ramp)?;
    let sinogram = radon.forward(&truth);
    let problem = Problem::new(radon, Mask::full(sinogram.len()), sinogram)?;

    let prior = Autograd(open(&ModelSource::Builtin(Modality::Ct), &Device::Cpu)?);
    let sampler = PlugAndPlay { steps: 20, sigma_start: 0.2, sigma_end: 0.01, data_steps: 4 };
    let unit = UnitRule::Fixed(2.0 * WATER_ATTENUATION);
    let learned = recon::methods::Sampled::new(prior, sampler, unit, Device::Cpu).from(Direct);

    let seed = SliceSeed { seed: 0, case: 0, slice: 0 };
    let methods: [(&str, &dyn Reconstruct<Radon>); 2] = [("fbp", &Direct), ("plug and play", &learned)];
    for (name, method) in methods {
        let found = method.reconstruct(&problem, seed, &Silent)?;
        let square = (&found.image - &truth).mapv(|d| d * d).mean().unwrap_or_default();
        let percent = 100.0 * square.sqrt() / WATER_ATTENUATION;
        println!("{name:<14} off by {percent:4.1} % of water, {} network calls", found.network_calls);
    }
    Ok(())
}
