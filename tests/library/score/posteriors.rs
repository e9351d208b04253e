//! Learned methods against posteriors that are known exactly.
//!
//! With K samples the mean of a correct sampler is off by `std/√K` a pixel; errors are given in that unit.

use crate::score::transforms::{Dense, Dft};
use candle_core::Device;
use ndarray::Array2;
use recon::methods::Sampled;
use recon::score::{
    Decomposed, Differentiable, Form, Gaussian, GaussianMixture, NoiseEstimate, PredictorCorrector, Sampler,
    UnitRule, linear_posterior_mean,
};
use recon_operators::{DataNoise, Field, LinearOperator, Mask, Problem, Transform};
use recon_pipelines::{Direct, Estimate, Map, Reconstruct, Silent, SliceSeed};

const SEED: SliceSeed = SliceSeed { seed: 0, case: 0, slice: 0 };
const PRIOR_STD: f64 = 0.3;

fn prior_mean((rows, cols): (usize, usize)) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(i, j)| 0.5 + 0.3 * (0.7 * i as f32 - 0.4 * j as f32).sin())
}

pub(crate) fn prior(dim: (usize, usize)) -> Gaussian {
    Gaussian::new(&prior_mean(dim), PRIOR_STD * PRIOR_STD, &Device::Cpu).unwrap()
}

/// A draw from the prior, measured with noise of the given std.
pub(crate) fn measure<T: Transform<Image = Array2<f32>>>(
    transform: T,
    mask: Mask,
    dim: (usize, usize),
    std: f32,
) -> Problem<T> {
    use rand::SeedableRng;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(99);
    let mut image = Array2::<f32>::randn(&[dim.0, dim.1], &mut rng) * PRIOR_STD as f32;
    image += &prior_mean(dim);
    let mut data = transform.forward(&image);
    let noise = T::Data::randn(&transform.data_shape(), &mut rng);
    data.add_scaled(std, &noise);
    let measured = mask.select(data);
    Problem { transform, mask, measured, noise: DataNoise::white(std) }
}

fn symmetric_fourier(n: usize) -> Problem<Dft> {
    let columns: Vec<bool> = (0..n).map(|j| j.abs_diff(n / 2) % 3 == 0).collect();
    measure(Dft::new(n, n), Mask::columns(n, &columns), (n, n), 0.0)
}

/// Ten rows of a random 16 × 16 matrix.
fn dense(noise: f32) -> Problem<Dense> {
    let mask = Mask::new((0..16).map(|i| i < 10).collect());
    measure(Dense::random((4, 4), 0.5, 7), mask, (4, 4), noise)
}

/// A sampler of images of unit 1, started from `T⁻¹ y` where it starts from an image.
fn sampled<M: Differentiable, T: Transform<Image = Array2<f32>>>(
    model: M,
    sampler: impl Sampler + 'static,
) -> Sampled<M, T> {
    Sampled::new(model, sampler, UnitRule::Fixed(1.0), Device::Cpu).from(Direct)
}

pub(crate) fn predictor_corrector<M, T>(model: M, form: Form) -> Sampled<M, T>
where
    M: Differentiable,
    T: Transform<Image = Array2<f32>>,
{
    let sampler = PredictorCorrector {
        sigma_min: 0.005,
        sigma_max: 5.0,
        steps: 100,
        snr: 0.1,
        lambda: 1.0,
        final_lambda: 1.0,
        form,
    };
    sampled(model, sampler)
}

fn draw<T, M>(method: Sampled<M, T>, samples: usize, problem: &Problem<T>) -> Estimate<Array2<f32>>
where
    T: Transform<Image = Array2<f32>>,
    M: Differentiable,
{
    Sampled { samples, ..method }.reconstruct(problem, SEED, &Silent).unwrap()
}

fn root_mean_square(x: &Array2<f32>) -> f64 {
    x.norm() / (x.len() as f64).sqrt()
}

/// Exact posterior standard deviation, averaged (in variance) over pixels, from
/// `C = v (I − K A)` where `K A u` is the posterior mean for data `A u` and prior mean 0.
fn exact_std<T>(problem: &Problem<T>, noise: f32) -> f64
where
    T: Transform<Image = Array2<f32>> + Clone,
{
    let zero: Array2<f32> = Field::zeros(&problem.image_shape());
    let variance = (PRIOR_STD * PRIOR_STD) as f32;
    let explained = |i: usize| {
        let mut unit = zero.clone();
        unit.as_slice_mut().unwrap()[i] = 1.0;
        let part = Problem { measured: problem.forward(&unit), ..problem.clone() };
        f64::from(linear_posterior_mean(&part, &zero, variance, noise, 60).as_slice().unwrap()[i])
    };
    let share = (0..zero.len()).map(explained).sum::<f64>() / zero.len() as f64;
    PRIOR_STD * (1.0 - share).sqrt()
}

/// How samples compare with an exact posterior.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accuracy {
    /// Error of their mean in units of `std/√K`: 1 for a sampler without bias.
    pub(crate) error: f64,
    /// Their spread over the exact one.
    pub(crate) spread: f64,
}

/// Compares mean and spread of samples with the exact posterior: see [`Accuracy`].
pub(crate) fn against_truth<T>(
    label: &str,
    method: Sampled<impl Differentiable, T>,
    samples: usize,
    problem: &Problem<T>,
    noise: f32,
) -> Accuracy
where
    T: Transform<Image = Array2<f32>> + Clone,
{
    let dim = (problem.image_shape()[0], problem.image_shape()[1]);
    let variance = (PRIOR_STD * PRIOR_STD) as f32;
    let exact = linear_posterior_mean(problem, &prior_mean(dim), variance, noise, 60);
    let std = exact_std(problem, noise);
    let drawn = draw(method, samples, problem);
    let error = root_mean_square(&(&drawn.image - &exact)) / (std / (samples as f64).sqrt());
    let spread = root_mean_square(drawn.map(Map::Std).unwrap()) / std;
    println!("{label}: mean off by {error:.2} standard errors, spread {spread:.3}, std {std:.4}");
    Accuracy { error, spread }
}

#[test]
fn predictor_corrector_samples_a_gaussian_posterior_of_fourier_data() {
    let problem = symmetric_fourier(9);
    let method = predictor_corrector(prior((9, 9)), Form::Published);
    let Accuracy { error, spread } = against_truth("PC Fourier", method, 60, &problem, 0.0);
    assert!(error < 1.5 && (0.85..1.15).contains(&spread));
}

/// The rows of A are not orthonormal, so only the Euclidean form keeps the null space of A untouched.
#[test]
fn predictor_corrector_samples_a_gaussian_posterior_of_dense_data() {
    let problem = dense(0.0);
    let method = predictor_corrector(prior((4, 4)), Form::ConjugateGradient { iterations: 12 });
    let Accuracy { error, spread } = against_truth("PC dense", method, 100, &problem, 0.0);
    assert!(error < 1.5 && (0.85..1.15).contains(&spread));
}

fn decomposed(eta: f64, noise_estimate: NoiseEstimate) -> Decomposed {
    Decomposed {
        eta,
        noise_estimate,
        sigma_start: 5.0,
        steps: 80,
        cg_iterations: 10,
        data_weight: 1e4,
        ..Default::default()
    }
}

/// What a Gaussian posterior's spread is multiplied with in the limit of many steps: every step keeps
/// `r = √(1 − η²)` of the remaining noise, which relaxes to `(1 + r)/2` of the posterior variance.
fn shrinkage(eta: f64) -> f64 {
    (0.5 * (1.0 + (1.0 - eta * eta).sqrt())).sqrt()
}

fn check_decomposed<T>(label: &str, problem: &Problem<T>, noise: f32, eta: f64)
where
    T: Transform<Image = Array2<f32>> + Clone,
{
    let dim = (problem.image_shape()[0], problem.image_shape()[1]);
    let method = sampled(prior(dim), decomposed(eta, NoiseEstimate::Fitted));
    let Accuracy { error, spread } =
        against_truth(&format!("{label}, eta {eta}"), method, 100, problem, noise);
    assert!(error < 1.5, "{label}: mean");
    assert!((spread / shrinkage(eta) - 1.0).abs() < 0.12, "{label}: spread");
}

#[test]
fn decomposed_finds_the_posterior_mean_of_fourier_data() {
    check_decomposed("decomposed Fourier", &symmetric_fourier(9), 0.0, 0.8);
}

#[test]
fn decomposed_finds_the_posterior_mean_of_dense_data() {
    check_decomposed("decomposed dense", &dense(0.0), 0.0, 0.8);
    check_decomposed("decomposed noisy dense", &dense(0.1), 0.1, 0.8);
    check_decomposed("decomposed noisy dense", &dense(0.1), 0.1, 0.5);
}

/// Entries of unequal noise are the same data as entries that were divided by their noise.
#[test]
fn every_entry_binds_by_its_own_noise() {
    let problem = dense(0.0);
    let stds: Vec<f32> = (0..16).map(|i| 0.02 * 1.3_f32.powi(i)).collect();
    let inverse: Vec<f32> = stds.iter().map(|std| 1.0 / std).collect();
    let mut measured = problem.measured.clone();
    measured.weigh(&inverse);
    let whitened = Problem {
        transform: problem.transform.scaled(&inverse),
        measured,
        noise: DataNoise::White(1.0),
        ..problem.clone()
    };
    let unequal = Problem { noise: DataNoise::Independent(stds.into()), ..problem.clone() };
    let mean = |problem: &Problem<Dense>| {
        let plain = decomposed(0.8, NoiseEstimate::Fitted);
        let sampler =
            Decomposed { data_weight: 1e12, temperature: 0.0, cg_iterations: 40, sigma_start: 0.3, ..plain };
        sampled(prior((4, 4)), sampler).reconstruct(problem, SEED, &Silent).unwrap().image
    };
    let found = mean(&unequal);
    let difference = root_mean_square(&(&found - &mean(&whitened)));
    let to_even = root_mean_square(&(&found - &mean(&problem)));
    println!("whitened differ by {difference:.1e}, without their noise by {to_even:.1e}");
    assert!(difference < 1e-4 && to_even > 1e-2);
}

/// Where the network is the same for all orientations, every pass finds the same; each takes its calls.
#[test]
fn passes_are_averaged() {
    let problem = symmetric_fourier(9);
    let found = |passes| {
        let plain = decomposed(0.8, NoiseEstimate::Fitted);
        let sampler = Decomposed { temperature: 0.0, steps: 5, passes, ..plain };
        sampled(prior((9, 9)), sampler).reconstruct(&problem, SEED, &Silent)
    };
    let (once, thrice) = (found(1).unwrap(), found(3).unwrap());
    assert!(root_mean_square(&(&once.image - &thrice.image)) < 1e-6);
    assert_eq!((once.network_calls, thrice.network_calls), (5, 15));
    assert!(found(0).is_err());
}

/// The start may fit noisy data already, and is not the estimate for that.
#[test]
fn a_point_estimate_goes_all_its_way_whatever_the_start_fits() {
    let problem = dense(0.1);
    let found = |problem: &Problem<Dense>| {
        let plain = decomposed(0.8, NoiseEstimate::Fitted);
        let sampler = Decomposed { temperature: 0.0, sigma_start: 0.1, sigma_end: 0.1, ..plain };
        sampled(prior((4, 4)), sampler).reconstruct(problem, SEED, &Silent).unwrap()
    };
    let (told, not_told) = (found(&problem), found(&Problem { noise: DataNoise::None, ..problem.clone() }));
    assert_eq!((told.network_calls, not_told.network_calls), (80, 80));
}

/// Without its noise known, the last projection copies the noise of the data into the image.
#[test]
fn projection_gives_way_to_noise() {
    let (dim, std) = ((9, 9), 0.3);
    let mask = Mask::columns(9, &(0..9).map(|j| j % 2 == 0).collect::<Vec<_>>());
    let noisy = measure(Dft::new(9, 9), mask, dim, std);
    let truth = linear_posterior_mean(&noisy, &prior_mean(dim), (PRIOR_STD * PRIOR_STD) as f32, std, 60);
    let error = |problem: &Problem<Dft>| {
        let found = draw(predictor_corrector(prior(dim), Form::Published), 40, problem).image;
        root_mean_square(&(&found - &truth))
    };
    let (told, not_told) = (error(&noisy), error(&Problem { noise: DataNoise::None, ..noisy.clone() }));
    println!("projection: off by {told:.3} from the posterior mean, {not_told:.3} if nobody tells the noise");
    assert!(told < 0.5 * not_told);
}

/// With noisy data the noise has to be measured against the fitted image; the network's own estimate forgets
/// what the data left open.
#[test]
fn fitted_noise_estimate_spreads_better_than_the_denoised_one() {
    let problem = dense(0.1);
    let spread = |estimate| {
        let method = sampled(prior((4, 4)), decomposed(0.5, estimate));
        against_truth(&format!("{estimate:?}"), method, 100, &problem, 0.1).spread
    };
    assert!(spread(NoiseEstimate::Denoised) + 0.02 < spread(NoiseEstimate::Fitted));
}

/// Without noise, at one level, a step shrinks the error in the null space by `ρ = s²/(s² + σ²)` = 0.9; with momentum
/// by `√(ρ β)` = 0.79 in the end, whatever is started from.
#[test]
fn momentum_reaches_the_posterior_mean_sooner() {
    let problem = symmetric_fourier(9);
    let truth = linear_posterior_mean(&problem, &prior_mean((9, 9)), (PRIOR_STD * PRIOR_STD) as f32, 0.0, 60);
    let error = |steps, momentum| {
        let plain = decomposed(0.8, NoiseEstimate::Fitted);
        let sampler =
            Decomposed { temperature: 0.0, sigma_start: 0.1, sigma_end: 0.1, steps, momentum, ..plain };
        let found = sampled(prior((9, 9)), sampler).reconstruct(&problem, SEED, &Silent).unwrap().image;
        root_mean_square(&(&found - &truth))
    };
    let [plain, hurried] = [0.0, 0.7].map(|momentum| error(30, momentum));
    println!("after 30 steps {plain:.2e}, with momentum {hurried:.2e}");
    assert!(hurried < 0.1 * plain);
    for momentum in [0.0, 0.7] {
        assert!(error(120, momentum) < 1e-5);
    }
}

/// Half of the pixels are known and tell which of two images it is.
#[test]
fn predictor_corrector_finds_the_component_that_the_data_speak_for() {
    let dim = (6, 6);
    let component = |sign: f32| {
        let mean = prior_mean(dim).mapv(|v| sign * v);
        Gaussian::new(&mean, 0.01, &Device::Cpu).unwrap()
    };
    let model =
        GaussianMixture { components: vec![component(1.0), component(-1.0)], weights: vec![0.2, 0.8] };
    let mask = Mask::new((0..36).map(|i| i % 2 == 0).collect());
    let transform = Dense::identity(dim);
    let measured = mask.select(transform.forward(&prior_mean(dim)));
    let problem = Problem::new(transform, mask, measured).unwrap();
    let drawn = draw(predictor_corrector(model, Form::Published), 24, &problem);
    let error = root_mean_square(&(&drawn.image - &prior_mean(dim)));
    println!("mixture: error of the mean {error:.4}");
    assert!(error < 3.0 * 0.1 / 24f64.sqrt());
}
