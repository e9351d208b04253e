//! The decomposed sampler with the fitted noise estimate is DiffPIR.

use crate::score::posteriors::{measure, prior};
use candle_core::Device;
use ndarray::Array2;
use recon::methods::Sampled;
use recon::score::{Decomposed, Gaussian, Noise, Stream, UnitRule, bridge};
use recon_operators::{Identity, Mask, Problem};
use recon_pipelines::{Direct, Reconstruct, Silent, SliceSeed};

const SIDE: usize = 6;
const NOISE: f64 = 0.05;
/// ζ of the paper, the share of fresh noise in the variance.
const ZETA: f64 = 0.3;
const SEED: SliceSeed = SliceSeed { seed: 4, case: 0, slice: 0 };

/// Zhu et al. 2023, Algorithm 1, in the variables of VP, for inpainting, pixel by pixel, with λ = 1.
fn diffpir(problem: &Problem<Identity>, prior: &Gaussian, sigmas: &[f64]) -> Array2<f32> {
    let mut noise = Noise::new(&[Stream { slice: SEED, sample: 0 }], (SIDE, SIDE), &Device::Cpu);
    let mut draw = || bridge::to_images(&noise.draw().unwrap()).unwrap().swap_remove(0).mapv(f64::from);
    let alpha = |sigma: f64| 1.0 / (1.0 + sigma * sigma);
    let mean = bridge::to_images(&prior.mean).unwrap().swap_remove(0).mapv(f64::from);
    let measured = problem.measured.mapv(f64::from);
    let mut x = (&measured + &(draw() * sigmas[0])) * alpha(sigmas[0]).sqrt();
    for (step, &sigma) in sigmas.iter().enumerate() {
        let alpha_now = alpha(sigma);
        let (root, rest) = (alpha_now.sqrt(), 1.0 - alpha_now);
        let score = (&mean * root - &x) / (alpha_now * prior.variance + rest);
        let clean = (&x + &(score * rest)) / root;
        let rho = NOISE * NOISE / (sigma * sigma);
        let mut fitted = clean.clone();
        for ((fitted, y), kept) in fitted.iter_mut().zip(&measured).zip(problem.mask.kept()) {
            *fitted = if *kept { (y + rho * *fitted) / (1.0 + rho) } else { *fitted };
        }
        let Some(&next) = sigmas.get(step + 1) else { return fitted.mapv(|v| v as f32) };
        let old = (&x - &(&fitted * root)) / rest.sqrt();
        let new = old * (1.0 - ZETA).sqrt() + draw() * ZETA.sqrt();
        x = fitted * alpha(next).sqrt() + new * (1.0 - alpha(next)).sqrt();
    }
    unreachable!("the last level returns")
}

#[test]
fn the_decomposed_sampler_is_diffpir_in_other_variables() {
    let mask = Mask::new((0..SIDE * SIDE).map(|i| i % 3 != 0).collect());
    let problem = measure(Identity { rows: SIDE, cols: SIDE }, mask, (SIDE, SIDE), NOISE as f32);
    let prior = prior((SIDE, SIDE));
    let settings = Decomposed {
        sigma_start: 2.0,
        sigma_end: 0.01,
        steps: 12,
        eta: ZETA.sqrt(),
        data_weight: 1e6,
        cg_iterations: 10,
        ..Default::default()
    };
    let sigmas: Vec<f64> = (0..12).map(|i| 2.0 * 0.005f64.powf(f64::from(i) / 11.0)).collect();
    let expected = diffpir(&problem, &prior, &sigmas);
    let unit = UnitRule::Fixed(1.0);
    let method = Sampled::new(prior, settings, unit, Device::Cpu).from(Direct);
    let found = method.reconstruct(&problem, SEED, &Silent).unwrap().image;
    let worst = (&found - &expected).iter().fold(0.0f32, |m, v| m.max(v.abs()));
    println!("DiffPIR: largest difference {worst:.1e}");
    assert!(worst < 1e-5);
}
