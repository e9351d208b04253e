//! Learned second order scores against the closed form of a mixture, and the scatter of their objective.

use crate::score::fixtures::values;
use crate::score::statistics::noise;
use candle_core::{DType, Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use recon::models::{HeadBody, LastLayer, SecondOrderConfig, SecondOrderModel};
use recon::score::{Covariance, Gaussian, GaussianMixture, Noise, Probing, ScoreModel, TweedieCovariance};
use recon::train::{
    AdamSettings, Descending, Learner, SecondOrderEstimate, SecondOrderObjective, SecondOrderTrainer,
};

/// A mixture of images, and draws from it.
struct Law {
    mixture: GaussianMixture,
    shape: (usize, usize),
}

impl Law {
    fn new(parts: Vec<(f64, Vec<f32>, f64)>, shape: (usize, usize)) -> Self {
        let (mut components, mut weights) = (Vec::new(), Vec::new());
        for (weight, mean, variance) in parts {
            let mean = Tensor::from_vec(mean, (1, 1, shape.0, shape.1), &Device::Cpu).unwrap();
            components.push(Gaussian { mean, variance });
            weights.push(weight);
        }
        Self { mixture: GaussianMixture { components, weights }, shape }
    }

    fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Tensor {
        let total: f64 = self.mixture.weights.iter().sum();
        let chosen = |rng: &mut ChaCha8Rng| {
            let mut left = rng.random::<f64>() * total;
            let found = self.mixture.weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            found.unwrap_or(0)
        };
        let means: Vec<Vec<f64>> = self.mixture.components.iter().map(|part| values(&part.mean)).collect();
        let mut drawn = Vec::with_capacity(count * means[0].len());
        for _ in 0..count {
            let k = chosen(rng);
            let spread = self.mixture.components[k].variance.sqrt();
            drawn.extend(
                means[k].iter().map(|mean| (mean + spread * rng.sample::<f64, _>(StandardNormal)) as f32),
            );
        }
        Tensor::from_vec(drawn, (count, 1, self.shape.0, self.shape.1), &Device::Cpu).unwrap()
    }

    /// Trains a model on this law's exact score.
    fn train(
        &self,
        config: SecondOrderConfig,
        objective: SecondOrderObjective,
        steps: usize,
    ) -> SecondOrderModel {
        let initial = config.head().initial(LastLayer::Random, 1).unwrap();
        let adam = AdamSettings { beta2: 0.999, max_norm: f64::INFINITY, ..AdamSettings::default() };
        let descending = Descending { adam, average: 0.995 };
        let first = self.mixture.clone();
        let mut trainer =
            SecondOrderTrainer::new(config, objective, first, descending, &initial, &Device::Cpu).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for step in 0..steps {
            let batch = trainer.draw(self.draw(128, &mut rng), &mut rng).unwrap();
            let left = 1.0 - step as f64 / steps as f64;
            trainer.step(&batch, 1, 4e-3 * left.min(0.5) * 2.0).unwrap();
        }
        SecondOrderModel::of_tensors(config, &trainer.parameters().bundled()).unwrap()
    }

    /// Relative errors, in the Frobenius norm over images, of the learned covariance and of `σ² v/(v + σ²)
    /// I`, what one would say without looking at the image; and the relative error of the learned standard
    /// deviations.
    fn errors(&self, model: &SecondOrderModel, std: f64) -> (f64, f64, f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(77);
        let clean = self.draw(64, &mut rng);
        let z: Vec<f32> = (0..clean.elem_count()).map(|_| rng.sample(StandardNormal)).collect();
        let z = Tensor::from_vec(z, clean.shape(), &Device::Cpu).unwrap();
        let x = (clean + (z * std).unwrap()).unwrap();
        let exact = TweedieCovariance { model: &self.mixture, x: &x, std };
        let learned = model.covariance(&self.mixture, &x, std).unwrap();
        let units = recon::score::Trace::Exact.directions(&x, &mut Noise::recorded([])).unwrap();
        let all = |covariance: &dyn Covariance| -> Vec<f64> {
            covariance.products(&units).unwrap().iter().flat_map(values).collect()
        };
        let (found, truth) = (all(&learned), all(&exact));
        let variance = self.mixture.components[0].variance;
        let plain = std * std * variance / (variance + std * std);
        let images = 64;
        let pixels = self.shape.0 * self.shape.1;
        let guess = |i: usize| {
            // [direction, image, pixel]
            let (direction, pixel) = (i / (images * pixels), i % pixels);
            if direction == pixel { plain } else { 0.0 }
        };
        let norm = truth.iter().map(|v| v * v).sum::<f64>().sqrt();
        let off = found.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() / norm;
        let naive = truth.iter().enumerate().map(|(i, b)| (guess(i) - b).powi(2)).sum::<f64>().sqrt() / norm;
        let exactly = exact.diagonal(Probing::Exact, &mut Noise::recorded([])).unwrap().deviation().unwrap();
        let known = learned.diagonal(Probing::Exact, &mut Noise::recorded([])).unwrap().deviation().unwrap();
        let relative = (known / exactly).unwrap().affine(1.0, -1.0).unwrap().sqr().unwrap();
        (off, naive, values(&relative.mean_all().unwrap())[0].sqrt())
    }
}

fn plane() -> Law {
    let parts =
        vec![(0.4, vec![-0.6, 0.2], 0.04), (0.35, vec![0.5, 0.5], 0.04), (0.25, vec![0.3, -0.7], 0.04)];
    Law::new(parts, (1, 2))
}

/// Two images of 8×8 pixels: a disc on the left or on the right.
fn discs() -> Law {
    let disc = |centre: f32| -> Vec<f32> {
        let inside = |i: usize| ((i / 8) as f32 - 3.5).hypot((i % 8) as f32 - centre) < 2.3;
        (0..64).map(|i| f32::from(u8::from(inside(i)))).collect()
    };
    Law::new(vec![(0.5, disc(2.0), 0.1), (0.5, disc(5.0), 0.1)], (8, 8))
}

#[test]
fn the_covariance_of_a_plane_is_learned() {
    let law = plane();
    let body = HeadBody::Dense { hidden: 48, rows: 1, cols: 2 };
    let config = SecondOrderConfig { body, rank: 2, sigma_data: 0.6 };
    for estimate in
        [SecondOrderEstimate::Plain, SecondOrderEstimate::Antithetic, SecondOrderEstimate::Residual]
    {
        let objective = SecondOrderObjective { estimate, sigma_min: 0.3, sigma_max: 0.6 };
        let model = law.train(config, objective, 1500);
        let (off, naive, deviation) = law.errors(&model, 0.45);
        println!(
            "{estimate:?}: covariance off by {off:.3} (without learning {naive:.3}), std by {deviation:.3}"
        );
        assert!(
            off < 0.2 && off < 0.5 * naive && deviation < 0.2,
            "{estimate:?}: {off}, {naive}, {deviation}"
        );
    }
}

#[test]
fn the_covariance_of_small_images_is_learned() {
    let law = discs();
    let body = HeadBody::Dense { hidden: 48, rows: 8, cols: 8 };
    let config = SecondOrderConfig { body, rank: 1, sigma_data: 0.5 };
    let estimate = SecondOrderEstimate::Residual;
    let objective = SecondOrderObjective { estimate, sigma_min: 2.0, sigma_max: 4.0 };
    let model = law.train(config, objective, 1000);
    let (off, naive, deviation) = law.errors(&model, 2.8);
    println!("8×8: covariance off by {off:.3} (without learning {naive:.3}), std by {deviation:.3}");
    assert!(off < 0.3 && off < 0.5 * naive && deviation < 0.3, "{off}, {naive}, {deviation}");
}

/// Scatter of each objective's estimate, and of its gradient by the variances that the model gives, for one
/// model.
#[test]
fn antithetic_noise_lowers_the_scatter_where_there_is_little_noise() {
    let law = plane();
    let body = HeadBody::Dense { hidden: 16, rows: 1, cols: 2 };
    let config = SecondOrderConfig { body, rank: 1, sigma_data: 0.6 };
    let tensors = config.head().initial(LastLayer::Random, 2).unwrap();
    let model = SecondOrderModel::of_tensors(config, &tensors).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let count = 4000;
    let clean = law.draw(count, &mut rng);
    let z = noise(count as u64, (1, 2)).draw().unwrap();
    let mut ratios = Vec::new();
    for std in [0.01, 0.1, 1.0] {
        let scatter = |estimate| {
            let objective = SecondOrderObjective { estimate, sigma_min: std, sigma_max: std };
            let found = objective.losses(&model, &law.mixture, &clean, &z, std).unwrap();
            let found = values(&found);
            let mean = found.iter().sum::<f64>() / count as f64;
            let variance = found.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
            (mean, variance.sqrt())
        };
        let [plain, antithetic, residual] =
            [SecondOrderEstimate::Plain, SecondOrderEstimate::Antithetic, SecondOrderEstimate::Residual]
                .map(scatter);
        println!(
            "σ = {std}: plain {plain:.4?}, antithetic {antithetic:.4?}, residual {residual:.4?} (mean, scatter)"
        );
        let error = (plain.1.powi(2) + antithetic.1.powi(2)).sqrt() / (count as f64).sqrt();
        assert!((plain.0 - antithetic.0).abs() < 5.0 * error, "{std}: {} and {}", plain.0, antithetic.0);
        ratios.push((antithetic.1 / plain.1, residual.1 / plain.1));
    }
    assert!(ratios[0].0 < 0.02 && ratios[1].0 < 0.3, "{ratios:?}");
    assert!(ratios[2].1 < 0.8, "{ratios:?}");
}

/// A convolutional head takes images of any size, and its covariance is positive.
#[test]
fn a_convolutional_head_serves_any_size() {
    let body = HeadBody::Convolutional { channels: 8, layers: 3 };
    let config = SecondOrderConfig { body, rank: 2, sigma_data: 0.5 };
    let model =
        SecondOrderModel::of_tensors(config, &config.head().initial(LastLayer::Random, 3).unwrap()).unwrap();
    for (rows, cols) in [(5, 7), (12, 4)] {
        let mean = Tensor::zeros((1, 1, rows, cols), DType::F32, &Device::Cpu).unwrap();
        let first = Gaussian { mean, variance: 0.2 };
        let x = noise(2, (rows, cols)).draw().unwrap();
        let covariance = model.covariance(&first, &x, 0.3).unwrap();
        let v = noise(2, (rows, cols)).draw().unwrap();
        let product = covariance.products(std::slice::from_ref(&v)).unwrap();
        let energy = (product[0].clone() * v).unwrap().flatten_from(1).unwrap().sum(1).unwrap();
        assert!(values(&energy).iter().all(|e| *e > 0.0));
        let variances = covariance.diagonal(Probing::Exact, &mut Noise::recorded([])).unwrap();
        assert_eq!(variances.variance.dims(), x.dims());
        assert!(first.score(&x, 0.3).is_ok() && values(&variances.variance).iter().all(|v| *v > 0.0));
    }
}

/// Trained on a Gaussian the same everywhere, the convolutional head finds its variance.
#[test]
fn a_convolutional_head_learns_a_variance() {
    let law = Law::new(vec![(1.0, vec![0.2; 64], 0.04)], (8, 8));
    let body = HeadBody::Convolutional { channels: 8, layers: 3 };
    let config = SecondOrderConfig { body, rank: 1, sigma_data: 0.3 };
    let estimate = SecondOrderEstimate::Residual;
    let objective = SecondOrderObjective { estimate, sigma_min: 0.1, sigma_max: 0.3 };
    let model = law.train(config, objective, 300);
    let (off, _, deviation) = law.errors(&model, 0.2);
    println!("convolutional: covariance off by {off:.3}, std by {deviation:.3}");
    assert!(off < 0.2 && deviation < 0.1, "{off}, {deviation}");
}
