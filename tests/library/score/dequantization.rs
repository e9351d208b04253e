//! Variational dequantization against the exact probability of grey values.

use crate::score::fixtures::values;
use crate::score::statistics::noise;
use candle_core::{DType, Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use recon::models::{Dequantizer, HeadBody, LastLayer};
use recon::score::{Bounded, Density, Gaussian, GaussianMixture, LikelihoodBound, ScoreModel, SubVp, Ve, Vp};
use recon::train::{AdamSettings, DequantizedBound, DequantizerTrainer, Descending, Learner};

const SIDE: usize = 2;
const STEP: f64 = 0.25;
const BODY: HeadBody = HeadBody::Dense { hidden: 32, rows: SIDE, cols: SIDE };

/// Two narrow images, whose values fill a small part of a grey value's cell.
fn narrow() -> GaussianMixture {
    let part = |mean: [f32; 4], variance| Gaussian {
        mean: Tensor::from_vec(mean.to_vec(), (1, 1, SIDE, SIDE), &Device::Cpu).unwrap(),
        variance,
    };
    GaussianMixture {
        components: vec![part([0.1, 0.42, 0.8, 0.55], 0.0016), part([0.7, 0.2, 0.33, 0.9], 0.0025)],
        weights: vec![0.6, 0.4],
    }
}

/// Draws of a mixture, cut off to grey values.
fn grey(law: &GaussianMixture, count: usize, seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = Vec::new();
    for _ in 0..count {
        let part = &law.components[usize::from(rng.random::<f64>() > law.weights[0])];
        for mean in values(&part.mean) {
            let value = mean + part.variance.sqrt() * rng.sample::<f64, _>(StandardNormal);
            numbers.push(((value / STEP).floor() * STEP) as f32);
        }
    }
    Tensor::from_vec(numbers, (count, 1, SIDE, SIDE), &Device::Cpu).unwrap()
}

/// `−log P(x)`, the integral of the density over the cells, pixel by pixel by Simpson's rule.
fn exact(law: &GaussianMixture, x: &Tensor) -> Vec<f64> {
    let cell = |mean: f64, std: f64, low: f64| {
        const PARTS: usize = 400;
        let at = |i: usize| {
            let z = (low + STEP * i as f64 / PARTS as f64 - mean) / std;
            (-0.5 * z * z).exp() / (std * std::f64::consts::TAU.sqrt())
        };
        let weight = |i: usize| if i == 0 || i == PARTS { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
        (0..=PARTS).map(|i| weight(i) * at(i)).sum::<f64>() * STEP / (3.0 * PARTS as f64)
    };
    let probability = |image: &[f64]| -> f64 {
        let of = |(part, weight): (&Gaussian, &f64)| {
            let pixels = image.iter().zip(values(&part.mean));
            weight * pixels.map(|(low, mean)| cell(mean, part.variance.sqrt(), *low)).product::<f64>()
        };
        law.components.iter().zip(&law.weights).map(of).sum()
    };
    values(x).chunks(SIDE * SIDE).map(|image| -probability(image).ln()).collect()
}

fn trained(density: impl Density, law: &GaussianMixture, steps: usize) -> Dequantizer {
    let initial = Dequantizer::head(BODY).initial(LastLayer::Zero, 1).unwrap();
    let descending =
        Descending { adam: AdamSettings { max_norm: 1.0, ..AdamSettings::default() }, average: 0.99 };
    let mut trainer =
        DequantizerTrainer::new(BODY, density, STEP, descending, &initial, &Device::Cpu).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for step in 0..steps {
        let batch = trainer.draw(grey(law, 64, 1000 + step as u64), &mut rng).unwrap();
        let left = 1.0 - step as f64 / steps as f64;
        trainer.step(&batch, 1, 1e-2 * (2.0 * left).min(1.0)).unwrap();
    }
    Dequantizer::of_tensors(BODY, &trainer.parameters().bundled()).unwrap()
}

/// Means over images of the bound and of the exact value, in bits a pixel, and the least distance of one
/// image in standard errors.
fn compare(
    density: &dyn Density,
    law: &GaussianMixture,
    q: Option<&Dequantizer>,
    draws: usize,
) -> (f64, f64, f64) {
    let x = grey(law, 60, 5);
    let bound = DequantizedBound { density, dequantizer: q, grey_step: STEP, draws };
    let found = bound.evaluate(&x, &mut noise(60, (SIDE, SIDE))).unwrap();
    let exact = exact(law, &x);
    let errors = found.standard_error.unwrap();
    let above =
        found.nats.iter().zip(&exact).zip(&errors).map(|((bound, exact), error)| (bound - exact) / error);
    let least = above.fold(f64::INFINITY, f64::min);
    let bits = |nats: &[f64]| nats.iter().sum::<f64>() / (60.0 * 4.0 * std::f64::consts::LN_2);
    (bits(&found.nats), bits(&exact), least)
}

#[test]
fn a_learned_dequantization_lies_between_the_exact_bits_and_the_uniform_ones() {
    let law = narrow();
    let learned = trained(law.clone(), &law, 500);
    let (uniform, exact, least_uniform) = compare(&law, &law, None, 400);
    let (variational, _, least) = compare(&law, &law, Some(&learned), 400);
    println!("bits a pixel: exact {exact:.3}, learned {variational:.3}, uniform {uniform:.3}");
    println!("lowest image: {least:.2} standard errors above, uniform {least_uniform:.2}");
    assert!(least > -4.0 && least_uniform > -4.0);
    assert!(variational - exact < 0.25 * (uniform - exact), "{exact} {variational} {uniform}");
}

/// The same, learned from a model's bound with its score alone.
#[test]
fn a_dequantization_is_learned_from_the_bound_of_a_score() {
    let law = narrow();
    let sde = Ve { sigma_min: 0.004, sigma_max: 20.0 };
    let bounded = |times| Bounded { bound: LikelihoodBound { sde: &sde, t_end: 1e-5, times }, model: &law };
    let learned = trained(bounded(8), &law, 250);
    let (uniform, exact, _) = compare(&law, &law, None, 200);
    let (variational, _, least) = compare(&law, &law, Some(&learned), 200);
    let (by_bound, _, _) = compare(&bounded(200), &law, Some(&learned), 4);
    println!(
        "bits a pixel: exact {exact:.3}, learned {variational:.3} (by the bound {by_bound:.3}), uniform {uniform:.3}"
    );
    assert!(least > -4.0);
    assert!(variational - exact < 0.4 * (uniform - exact), "{exact} {variational} {uniform}");
    assert!((by_bound - variational).abs() < 0.15, "{by_bound} is not {variational}");
}

/// With a last layer of zeros the places are the uniform numbers themselves, with density 1.
#[test]
fn dequantization_starts_uniform() {
    let q =
        Dequantizer::of_tensors(BODY, &Dequantizer::head(BODY).initial(LastLayer::Zero, 1).unwrap()).unwrap();
    let x = Tensor::zeros((50, 1, SIDE, SIDE), DType::F32, &Device::Cpu).unwrap();
    let uniform = noise(50, (SIDE, SIDE)).uniform(4).unwrap().concat();
    let u = Tensor::from_vec(uniform.clone(), x.shape(), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    let placed = q.place(&x, &u).unwrap();
    assert!(values(&placed.place).iter().zip(&uniform).all(|(a, b)| (a - b).abs() < 2e-6));
    assert!(values(&placed.log_density).iter().all(|v| v.abs() < 1e-4));
}

/// A density integrates to 1: the mean of `1/q` over its own draws.
#[test]
fn the_density_of_places_is_normalised() {
    let initial = Dequantizer::head(BODY).initial(LastLayer::Random, 5).unwrap();
    let q = Dequantizer::of_tensors(BODY, &initial).unwrap();
    let count = 20_000;
    let x = Tensor::full(0.3f32, (count, 1, SIDE, SIDE), &Device::Cpu).unwrap();
    let uniform = noise(count as u64, (SIDE, SIDE)).uniform(4).unwrap().concat();
    let u = Tensor::from_vec(uniform, x.shape(), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    let inverse: Vec<f64> =
        values(&q.place(&x, &u).unwrap().log_density).iter().map(|log| (-log).exp()).collect();
    let mean = inverse.iter().sum::<f64>() / count as f64;
    let variance = inverse.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
    let error = (variance / count as f64).sqrt();
    println!("∫ q = {mean:.4} ± {error:.4}");
    assert!((mean - 1.0).abs() < 4.0 * error + 1e-3 && error < 0.02);
}

/// The gradient of the bound is minus the score, for an exact score and but for the distance from the prior.
#[test]
fn the_slope_of_the_bound_is_the_score() {
    let law = narrow();
    let one = GaussianMixture { components: law.components[..1].to_vec(), weights: vec![1.0] };
    let x = grey(&law, 3, 2);
    let vp = Vp { beta_min: 0.1, beta_max: 20.0 };
    let sdes: [&dyn recon::score::Sde; 3] = [&Ve { sigma_min: 0.004, sigma_max: 20.0 }, &vp, &SubVp(vp)];
    for sde in sdes {
        let bound = LikelihoodBound { sde, t_end: 1e-5, times: 400 };
        let slope = bound.slope(&one, &x, &mut noise(3, (SIDE, SIDE))).unwrap();
        let exact = one.score(&x, 0.0).unwrap();
        let error = crate::score::fixtures::relative_error(&slope.neg().unwrap(), &exact);
        println!("slope off by {error:.1e}");
        assert!(error < 0.02, "{error}");
    }
}
