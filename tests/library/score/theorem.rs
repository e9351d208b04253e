//! Theorem 9.3 on a thousand random cases: the bound is the negative log-likelihood for exact scores, and
//! never falls below it for wrong ones.

use crate::score::fixtures::{Record, values};
use crate::score::flow::{gaussian, mixture};
use crate::score::statistics::{Moments, noise};
use candle_core::{DType, Device, Result, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use recon::score::{
    BitsPerDimension, Gaussian, GaussianMixture, LikelihoodBound, ScoreModel, Sde, Stream, SubVp, Ve, Vp,
};
use recon_pipelines::SliceSeed;
use std::f64::consts::TAU;

const CASES: u64 = 1000;
const TIMES: usize = LikelihoodBound::TIMES;

/// A random process, a random law of few pixels and an image of it.
struct Case {
    sde: Box<dyn Sde>,
    t_end: f64,
    law: GaussianMixture,
    x: Tensor,
    rng: ChaCha8Rng,
}

fn process(rng: &mut ChaCha8Rng) -> (Box<dyn Sde>, f64) {
    let vp = Vp { beta_min: 0.1, beta_max: rng.random_range(15.0..25.0) };
    match rng.random_range(0..3) {
        0 => (Box::new(Ve { sigma_min: 0.01, sigma_max: rng.random_range(20.0..80.0) }), 1e-5),
        1 => (Box::new(vp), 1e-5),
        _ => (Box::new(SubVp(vp)), 1e-3),
    }
}

impl Case {
    fn new(number: u64, most_components: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let (sde, t_end) = process(&mut rng);
        let shape = (1, 1, rng.random_range(1..5), rng.random_range(1..5));
        let pixels = shape.2 * shape.3;
        let mut component = || {
            let mean = (0..pixels).map(|_| rng.random_range(-0.5..0.5)).collect();
            let mean = Tensor::from_vec(mean, shape, &Device::Cpu).unwrap();
            Gaussian { mean, variance: rng.random_range(0.02..0.3) }
        };
        let components: Vec<Gaussian> =
            (0..1 + number as usize % most_components).map(|_| component()).collect();
        let weights: Vec<f64> = components.iter().map(|_| rng.random_range(0.2..1.0)).collect();
        let drawn = &components[rng.random_range(0..components.len())];
        let z: Vec<f64> = (0..pixels).map(|_| rng.sample(StandardNormal)).collect();
        let z = Tensor::from_vec(z, shape, &Device::Cpu).unwrap();
        let x = (&drawn.mean + (z * drawn.variance.sqrt()).unwrap()).unwrap();
        Self { sde, t_end, law: GaussianMixture { components, weights }, x, rng }
    }

    fn pixels(&self) -> f64 {
        self.x.elem_count() as f64
    }

    /// The estimate of the bound and its standard error.
    fn bound(&self, model: &dyn ScoreModel, number: u64) -> (f64, f64) {
        let bound = LikelihoodBound { sde: &*self.sde, t_end: self.t_end, times: TIMES };
        let (_, _, rows, cols) = self.x.dims4().unwrap();
        let slice = SliceSeed { seed: 9, case: number, slice: 0 };
        let mut noise = recon::score::Noise::new(&[Stream { slice, sample: 0 }], (rows, cols), &Device::Cpu);
        let found = bound.evaluate(model, &self.x, &mut noise).unwrap();
        (found.nats[0], found.standard_error[0])
    }

    /// Mean and variance a pixel of the law as a whole.
    fn moments(&self) -> (Tensor, f64) {
        let total: f64 = self.law.weights.iter().sum();
        let parts = || self.law.components.iter().zip(&self.law.weights);
        let mut mean = self.x.zeros_like().unwrap();
        for (part, weight) in parts() {
            mean = (mean + (&part.mean * (weight / total)).unwrap()).unwrap();
        }
        let spread =
            |part: &Gaussian| part.variance + squares(&(&part.mean - &mean).unwrap()) / self.pixels();
        let variance = parts().map(|(part, weight)| weight / total * spread(part)).sum();
        (mean, variance)
    }

    /// By how much the bound for the exact score lies above `−log p(x)`: the process has not quite arrived
    /// at its prior, and the last denoising step has variance `σ²` instead of that of the posterior. Exact
    /// for one Gaussian; mixtures are taken as one, which is as good where the gap is not negligible itself.
    fn gap(&self) -> f64 {
        let (mean, variance) = self.moments();
        let from_mean = squares(&(&self.x - mean).unwrap());
        let (end, prior) = (self.sde.marginal(1.0), self.sde.prior_std().powi(2));
        let (signal, noise, pixels) = (end.mean * end.mean, end.std * end.std, self.pixels());
        let arrived = signal * variance + noise;
        let late = (signal * squares(&self.x) + pixels * noise) / prior
            - (signal * from_mean + pixels * noise) / arrived
            - pixels * (arrived / prior).ln();
        let level = self.sde.noise_level(self.t_end).powi(2);
        let share = variance / (variance + level);
        let left = pixels * share * share + level * from_mean / (variance + level).powi(2);
        let early = -pixels * share.ln() - left * (1.0 / share - 1.0);
        0.5 * (late + early)
    }
}

fn squares(x: &Tensor) -> f64 {
    values(x).iter().map(|v| v * v).sum()
}

#[test]
fn exact_scores_make_the_bound_the_likelihood_in_a_thousand_cases() {
    let (mut off, mut errors, mut excess, mut squares) = (Vec::new(), Vec::new(), 0.0, 0.0);
    for number in 0..CASES {
        let case = Case::new(number, 3);
        let (bound, error) = case.bound(&case.law, number);
        let exact = -case.law.log_density(&case.x, 0.0).unwrap()[0] + case.gap();
        off.push((bound - exact) / error);
        excess += bound - exact;
        squares += error * error;
        errors.push(error / (case.pixels() * std::f64::consts::LN_2));
    }
    let found = Moments::of(&off);
    let pooled = excess / squares.sqrt();
    let largest = off.iter().fold(0.0, |most: f64, z| most.max(z.abs()));
    errors.sort_by(f64::total_cmp);
    println!(
        "sum off by {pooled:.2} standard errors; each by {:.3} in the mean, spread {:.3}, at most {largest:.2}; \
         median error {:.4} bits/dim",
        found.mean, found.std, errors[500]
    );
    // Draws far above the others raise a bound together with its error, so that the mean of the ratios is below 0 for
    // mixtures; the sum shows whether the bound itself is off.
    assert!(pooled.abs() < 4.0, "{pooled}");
    assert!((found.std - 1.0).abs() < 0.2 && found.mean.abs() < 0.2, "{} {}", found.mean, found.std);
    assert!(largest < 7.0, "{largest}");
}

/// `(1 + gain)` times the score of a Gaussian whose mean is off by `offset · cos(ln σ)`. No process has
/// this score, but the reverse of one that uses it has a Gaussian law again.
struct Wrong {
    right: Gaussian,
    gain: f64,
    offset: Tensor,
}

impl Wrong {
    fn centre(&self, level: f64) -> Tensor {
        (&self.right.mean + (&self.offset * level.ln().cos()).unwrap()).unwrap()
    }

    fn pull(&self, level: f64) -> f64 {
        (1.0 + self.gain) / (self.right.variance + level * level)
    }

    /// `log p(x)` of what the reverse process makes of its prior, with the last denoising step. In `y =
    /// x/m` and `w = σ²` it is `dy = s dw + d(noise of variance w)` towards smaller `w`; mean and variance
    /// follow by Heun's method.
    fn log_density(&self, x: &Tensor, sde: &dyn Sde, t_end: f64) -> f64 {
        const STEPS: usize = 4000;
        let (low, high) = (sde.noise_level(t_end).ln(), sde.noise_level(1.0).ln());
        let width = (high - low) / STEPS as f64;
        let slope = |log: f64, mean: &[f64], variance: f64| {
            let level = log.exp();
            // dw for a step of ln σ
            let (pull, dw) = (self.pull(level), 2.0 * level * level * width);
            let centre = values(&self.right.mean).into_iter().zip(values(&self.offset));
            let toward = centre.zip(mean).map(|((c, o), m)| pull * (c + o * log.cos() - m) * dw);
            (toward.collect::<Vec<f64>>(), (1.0 - 2.0 * pull * variance) * dw)
        };
        let mut variance = (sde.prior_std() / sde.marginal(1.0).mean).powi(2);
        let mut mean = vec![0.0; x.elem_count()];
        for step in 0..STEPS {
            let log = high - step as f64 * width;
            let (first, spread) = slope(log, &mean, variance);
            let moved: Vec<f64> = mean.iter().zip(&first).map(|(m, d)| m + d).collect();
            let (second, spread_there) = slope(log - width, &moved, variance + spread);
            mean.iter_mut().zip(first.iter().zip(second)).for_each(|(m, (a, b))| *m += 0.5 * (a + b));
            variance += 0.5 * (spread + spread_there);
        }
        let level = low.exp();
        let kept = 1.0 - level * level * self.pull(level);
        let centre = values(&self.centre(level));
        let variance = variance * kept * kept + level * level;
        let off = values(x)
            .into_iter()
            .zip(mean.iter().zip(centre))
            .map(|(x, (m, c))| x - m * kept - (1.0 - kept) * c);
        -0.5 * (off.map(|d| d * d).sum::<f64>() / variance + x.elem_count() as f64 * (TAU * variance).ln())
    }
}

impl ScoreModel for Wrong {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.centre(std).broadcast_sub(x)? * self.pull(std)
    }
}

#[test]
fn wrong_scores_never_fall_below_the_likelihood_of_their_process() {
    let (mut lowest, mut gaps) = (f64::INFINITY, Vec::new());
    for number in 0..CASES {
        let mut case = Case::new(number, 1);
        let offset: Vec<f64> = values(&case.x).iter().map(|_| case.rng.random_range(-0.2..0.2)).collect();
        let offset = Tensor::from_vec(offset, case.x.shape(), &Device::Cpu).unwrap();
        let gain = case.rng.random_range(-0.3..0.3);
        let wrong = Wrong { right: case.law.components[0].clone(), gain, offset };
        let (bound, error) = case.bound(&wrong, number);
        let above = bound + wrong.log_density(&case.x, &*case.sde, case.t_end);
        lowest = lowest.min(above / error);
        gaps.push(above / case.pixels());
    }
    let gaps = Moments::of(&gaps);
    println!("above by {:.3} nats a pixel on average, by {lowest:.2} standard errors at least", gaps.mean);
    assert!(lowest > -5.0, "{lowest}");
    assert!(gaps.mean > 0.0);
}

/// The closed form of the wrong process itself: without error it is the Gaussian, but for the two gaps.
#[test]
fn the_law_of_a_process_without_error_is_the_gaussian() {
    for number in 0..30 {
        let case = Case::new(number, 1);
        let offset = case.x.zeros_like().unwrap();
        let right = Wrong { right: case.law.components[0].clone(), gain: 0.0, offset };
        let exact = case.law.log_density(&case.x, 0.0).unwrap()[0];
        let off = (right.log_density(&case.x, &*case.sde, case.t_end) - exact) / case.pixels();
        assert!(off.abs() < 3e-3, "{number}: {off}");
    }
}

/// A smooth error on top of a mixture's score.
struct Bent(GaussianMixture);

impl ScoreModel for Bent {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.0.score(x, std)? + (x.affine(3.0, 0.4)?.sin()? * (0.5 / (0.2 + std)))?
    }
}

/// Averaged over images of a law, no score can be better than its own: Gibbs' inequality, beyond Gaussians.
#[test]
fn wrong_scores_cost_bits_on_average() {
    let (mut rise, mut errors) = (0.0, 0.0);
    for number in 0..CASES / 4 {
        let case = Case::new(number, 3);
        let (bound, error) = case.bound(&Bent(case.law.clone()), number);
        rise += bound + case.law.log_density(&case.x, 0.0).unwrap()[0];
        errors += error * error;
    }
    println!("{:.3} ± {:.3} nats", rise / 250.0, errors.sqrt() / 250.0);
    assert!(rise > 0.0);
}

/// With the default number of times an image of 64 pixels is known to a hundredth of a bit per dimension.
#[test]
fn the_default_number_of_times_gives_a_hundredth_of_a_bit() {
    let record = Record::fixture("likelihood_subvp_mix_rademacher");
    let mixture = mixture(&record);
    let one = Record::fixture("likelihood_vp_gauss_rademacher");
    let gaussian = gaussian(&one);
    let vp = Vp { beta_min: 0.1, beta_max: 20.0 };
    let bits = BitsPerDimension { pixels: 64, grey_step: 1.0 / 128.0 };
    let laws: [(&dyn ScoreModel, &Tensor, Vec<f64>); 2] = [
        (&mixture, record.get("x"), mixture.log_density(record.get("x"), 0.0).unwrap()),
        (&gaussian, one.get("x"), gaussian.log_density(one.get("x"), 0.0).unwrap()),
    ];
    for (sde, t_end) in
        [(&vp as &dyn Sde, 1e-5), (&SubVp(vp), 1e-3), (&Ve { sigma_min: 0.01, sigma_max: 50.0 }, 1e-5)]
    {
        for (model, x, exact) in &laws {
            let bound = LikelihoodBound { sde, t_end, times: LikelihoodBound::TIMES };
            let images = x.dim(0).unwrap() as u64;
            let found =
                bound.evaluate(model, &x.to_dtype(DType::F32).unwrap(), &mut noise(images, (8, 8))).unwrap();
            for (i, exact) in exact.iter().enumerate() {
                let (off, error) = (bits.spread(found.nats[i] + exact), bits.spread(found.standard_error[i]));
                println!("off by {off:.4} bits/dim, error {error:.4}");
                assert!(error < 0.01 && off.abs() < 0.01, "{off} ± {error}");
            }
        }
    }
}
