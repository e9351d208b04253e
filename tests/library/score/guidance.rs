//! Guidance by a measurement against closed forms.

use crate::score::exact::{Definite, ExactPosterior};
use crate::score::fixtures::{relative_error, values};
use crate::score::posteriors::{measure, prior};
use crate::score::statistics::noise;
use crate::score::transforms::{Dense, Numbers};
use candle_core::{Device, Result, Tensor};
use ndarray::{Array1, Array2};
use recon::methods::Sampled;
use recon::score::{
    Autograd, Bridged, Consistency, Counted, Dps, DpsWeight, Form, Gaussian, GaussianMixture, Guidance,
    GuidedDenoiser, LikelihoodGradient, Moment, Noise, NoisyMeasurement, Projection, PseudoInverse, RedDiff,
    ScoreModel, Stacked, UnitRule, Update, Vp, bridge, linear_posterior_mean,
};
use recon_operators::{
    ChannelMix, DataNoise, Field, Filter, Identity, LinearOperator, Mask, ParallelBeam, PhasedFourier,
    Problem, Radon, Transform,
};
use recon_pipelines::{Direct, Reconstruct, Silent, SliceSeed};

const SIDE: usize = 8;
const NOISE: f64 = 0.05;
/// Of the prior of `posteriors`.
const VARIANCE: f64 = 0.09;

fn fourier() -> Problem<PhasedFourier> {
    let columns: Vec<bool> = (0..SIDE).map(|j| j.abs_diff(SIDE / 2) < 2 || j % 7 == 0).collect();
    let mask = Mask::columns(SIDE, &columns);
    measure(PhasedFourier::new(SIDE, SIDE, None), mask, (SIDE, SIDE), NOISE as f32)
}

fn radon() -> Problem<Radon> {
    let geometry = ParallelBeam::equally_spaced(SIDE, SIDE, 1.0, 4);
    let all = Mask::full(geometry.angles.len() * geometry.detectors);
    measure(Radon::new(geometry, Filter::Ramp).unwrap(), all, (SIDE, SIDE), NOISE as f32)
}

fn inpainting() -> Problem<Identity> {
    let mask = Mask::new((0..SIDE * SIDE).map(|i| i % 3 != 0).collect());
    measure(Identity { rows: SIDE, cols: SIDE }, mask, (SIDE, SIDE), NOISE as f32)
}

/// The same data, taken for exact.
fn noiseless<T: Transform>(problem: Problem<T>) -> Problem<T> {
    Problem { noise: DataNoise::None, ..problem }
}

fn batch() -> Tensor {
    noise(3, (SIDE, SIDE)).draw().unwrap()
}

/// The problem as one of real matrices.
fn dense<T: Transform<Image = Array2<f32>>>(problem: &Problem<T>) -> Problem<Dense>
where
    T::Data: Numbers,
{
    let kept = problem.mask.kept().iter().flat_map(|kept| std::iter::repeat_n(*kept, T::Data::PARTS));
    let (transform, mask) = (Dense::of(&problem.transform), Mask::new(kept.collect()));
    Problem::new(transform, mask, problem.measured.numbers().into()).unwrap()
}

/// `−(C + σ² I)⁻¹(x − m)` for the posterior `N(m, C)`.
fn posterior_score(posterior: &ExactPosterior, x: &Tensor, sigma: f64) -> Tensor {
    let part = &posterior.0[0];
    let blurred = Definite::new(&(&part.covariance + &(Array2::<f64>::eye(SIDE * SIDE) * (sigma * sigma))));
    let score = |x: &[f64]| -blurred.solve(&(Array1::from(x.to_vec()) - &part.mean));
    let all: Vec<f32> = values(x).chunks(SIDE * SIDE).flat_map(score).map(|v| v as f32).collect();
    Tensor::from_vec(all, x.shape(), &Device::Cpu).unwrap()
}

fn check_pseudo_inverse<T: Transform<Image = Array2<f32>>>(name: &str, problem: &Problem<T>)
where
    T::Data: Numbers,
{
    let prior = prior((SIDE, SIDE));
    let mixture = GaussianMixture { components: vec![prior.clone()], weights: vec![1.0] };
    let truth = ExactPosterior::new(&mixture, &dense(problem), NOISE);
    let measurement = Bridged::new(problem, 1.0);
    let guidance = PseudoInverse { measurement, prior_variance: VARIANCE, iterations: 100 };
    let model = GuidedDenoiser { prior: &prior, guidance };
    let mut worst: f64 = 0.0;
    for sigma in [0.01, 0.1, 0.5, 3.0, 50.0] {
        let x = (batch() * (1.0 + sigma)).unwrap();
        let error = relative_error(&model.score(&x, sigma).unwrap(), &posterior_score(&truth, &x, sigma));
        println!("{name} at {sigma}: {error:.1e}");
        worst = worst.max(error);
    }
    assert!(worst < PSEUDO_INVERSE, "{name}: {worst:e}");
}

/// Three times the largest, for Radon, where conjugate gradients end short of rounding; the others are below 1e-5.
const PSEUDO_INVERSE: f64 = 1.2e-4;

#[test]
fn pseudo_inverse_guidance_is_the_score_of_a_gaussian_posterior() {
    check_pseudo_inverse("Fourier", &fourier());
    check_pseudo_inverse("Radon", &radon());
    check_pseudo_inverse("inpainting", &inpainting());
}

/// Data without noise: the measured components of `D + σ² g` agree with them at any level, to `J_D r⁻² = σ⁻²`.
#[test]
fn pseudo_inverse_guidance_meets_data_without_noise() {
    let problem = noiseless(inpainting());
    let prior = prior((SIDE, SIDE));
    let guidance =
        PseudoInverse { prior_variance: VARIANCE, ..PseudoInverse::new(Bridged::new(&problem, 1.0)) };
    let model = GuidedDenoiser { prior, guidance };
    for sigma in [0.05, 2.0] {
        let denoised = bridge::to_images(&model.denoise(&batch(), sigma).unwrap()).unwrap();
        assert!(denoised.iter().all(|image| problem.residual(image) < 1e-5), "{sigma}");
    }
}

/// A Gaussian whose score is computed by tensor operations only, so that it can be differentiated.
struct Plain(Gaussian);

impl ScoreModel for Plain {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.0.score(x, std)
    }
}

fn dps<T>(problem: &Problem<T>, weight: DpsWeight) -> Dps<Bridged<'_, T>>
where
    T: Transform<Image = Array2<f32>>,
{
    Dps { measurement: Bridged::new(problem, 1.0), weight }
}

#[test]
fn guidance_by_reverse_accumulation_is_that_of_the_closed_jacobian_in_one_call() {
    let (problem, x) = (radon(), batch());
    let closed =
        GuidedDenoiser { prior: prior((SIDE, SIDE)), guidance: dps(&problem, DpsWeight::Likelihood) };
    let network = Counted::new(Autograd(Plain(prior((SIDE, SIDE)))));
    let through = GuidedDenoiser { prior: &network, guidance: dps(&problem, DpsWeight::Likelihood) };
    let error = relative_error(&through.score(&x, 0.4).unwrap(), &closed.score(&x, 0.4).unwrap());
    assert!(error < 1e-6, "{error:e}");
    assert_eq!(network.calls(), 1);
    through.denoise(&x, 0.4).unwrap();
    assert_eq!(network.calls(), 2);
}

fn mixture() -> GaussianMixture {
    let other = Gaussian { mean: (&prior((SIDE, SIDE)).mean * -0.3).unwrap(), variance: 0.04 };
    GaussianMixture { components: vec![prior((SIDE, SIDE)), other], weights: vec![0.5, 0.5] }
}

/// What DPS adds to a mixture's score against central differences of the misfit of the denoised image.
#[test]
fn diffusion_posterior_sampling_descends_the_misfit_of_the_denoised_image() {
    const SIGMA: f64 = 0.6;
    const STEP: f64 = 3e-3;
    let (problem, model) = (radon(), mixture());
    // Where both components have a say, so that the Jacobian is not a multiple of the identity.
    let x = ((batch() * 0.3).unwrap().broadcast_add(&(&model.components[0].mean * 0.35).unwrap())).unwrap();
    let whole = model.denoise(&x, SIGMA).unwrap();
    for part in &model.components {
        assert!(relative_error(&part.denoise(&x, SIGMA).unwrap(), &whole) > 0.05);
    }
    let misfits = |x: &Tensor| -> Vec<f64> {
        let denoised = bridge::to_images(&model.denoise(x, SIGMA).unwrap()).unwrap();
        denoised.iter().map(|image| problem.residual(image) * problem.measured.norm()).collect()
    };
    let v = noise(3, (SIDE, SIDE)).draw().unwrap();
    let ahead = |h: f64| misfits(&(&x + (&v * h).unwrap()).unwrap());
    let (forward, backward) = (ahead(STEP), ahead(-STEP));
    for weight in [DpsWeight::Likelihood, DpsWeight::Residual { step: 0.7 }] {
        let guided = GuidedDenoiser { prior: &model, guidance: dps(&problem, weight) };
        let added = (guided.score(&x, SIGMA).unwrap() - model.score(&x, SIGMA).unwrap()).unwrap();
        let along = (added * &v).unwrap().flatten_from(1).unwrap().sum(1).unwrap();
        for (i, slope) in values(&along).into_iter().enumerate() {
            // ‖r‖²/2 or ‖r‖, and what it is divided by
            let of = |r: &[f64]| match weight {
                DpsWeight::Likelihood => 0.5 * (r[i] / NOISE).powi(2),
                DpsWeight::Residual { step } => step * r[i] / (SIGMA * SIGMA),
            };
            let expected = -(of(&forward) - of(&backward)) / (2.0 * STEP);
            println!("{weight:?}: {slope} instead of {expected}");
            assert!((slope - expected).abs() < 5e-3 * expected.abs().max(1.0), "{weight:?}");
        }
    }
}

/// Returns the score as the moved batch.
struct Shows;

impl Update for Shows {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        noise.draw()?;
        let first = at.score(model, x)?;
        Ok((at.score(model, x)?, first))
    }
}

/// `∇ₓ` of `−‖m y + s A z − A x‖²/(2 (c s)² + 2 (m n)²)` term by term, in the variables of VP.
#[test]
fn a_noisy_measurement_is_drawn_once_a_move_and_before_it() {
    const COEFFICIENT: f64 = 1.3;
    let (problem, x) = (inpainting(), batch());
    let draws = noise(3, (SIDE, SIDE)).draw().unwrap();
    let z = (&draws * 0.7).unwrap();
    let guidance = LikelihoodGradient { measurement: Bridged::new(&problem, 1.0), coefficient: COEFFICIENT };
    let sde = Vp { beta_min: 0.1, beta_max: 20.0 };
    let at = Moment { sde: &sde, t: 0.3, steps: 10 };
    let prior = prior((SIDE, SIDE));
    let mut recorded = Noise::recorded([z.clone(), draws]);
    let moves = NoisyMeasurement { moves: Shows, guidance };
    let (score, again) = moves.update(&x, &at, &prior, &mut recorded).unwrap();
    assert_eq!(values(&score), values(&again), "one draw for all scores of a move");
    assert!(recorded.draw().is_err(), "two draws");
    let (m, s) = (at.marginal().mean, at.marginal().std);
    let kept = problem.mask.kept();
    let (plain, x, z) = (values(&at.score(&prior, &x).unwrap()), values(&x), values(&z));
    let measured: Vec<f32> = problem.measured.iter().copied().collect();
    for (i, score) in values(&score).into_iter().enumerate() {
        let pixel = i % (SIDE * SIDE);
        let misfit = m * f64::from(measured[pixel]) + s * z[i] - x[i];
        let weight = (COEFFICIENT * s).powi(2) + (m * NOISE).powi(2);
        let expected = plain[i] + if kept[pixel] { misfit / weight } else { 0.0 };
        assert!((score - expected).abs() < 1e-4 * expected.abs().max(1.0), "{score} {expected}");
    }
}

#[test]
fn guidance_that_would_divide_by_nothing_is_refused() {
    let problem = noiseless(inpainting());
    let exact = || Bridged::new(&problem, 1.0);
    let dps = Dps { measurement: exact(), weight: DpsWeight::Likelihood };
    assert!(dps.slope(&batch(), 0.5).is_err());
    let gradient = LikelihoodGradient { measurement: exact(), coefficient: 0.0 };
    assert!(gradient.slope(&batch(), 0.5).is_err());
}

/// Grey values are met, and the colours keep the spread of the prior.
#[test]
fn colourisation_of_a_stack_of_channels() {
    const PIXELS: (usize, usize) = (6, 5);
    let mix = ChannelMix::grey(PIXELS.0, PIXELS.1).unwrap();
    let mask = mix.first_channel();
    let tall = mix.image_shape();
    let image = Array2::from_shape_fn((tall[0], tall[1]), |(i, j)| (0.3 * i as f32 + 0.5 * j as f32).sin());
    let measured = mask.select(mix.forward(&image));
    let problem = Problem::new(mix, mask, measured).unwrap();
    let mean = Tensor::full(0.2f32, (1, 3, PIXELS.0, PIXELS.1), &Device::Cpu).unwrap();
    let prior = Stacked { model: Gaussian { mean, variance: VARIANCE }, channels: 3 };
    let guidance =
        PseudoInverse { prior_variance: VARIANCE, ..PseudoInverse::new(Bridged::new(&problem, 1.0)) };
    let model = GuidedDenoiser { prior: &prior, guidance };
    let x = noise(2, (tall[0], tall[1])).draw().unwrap();
    let projected =
        Projection::new(Bridged::new(&problem, 1.0), 1.0, 1.0, Form::Published).finish(x.clone()).unwrap();
    for batch in [projected, model.denoise(&x, 0.8).unwrap()] {
        for found in bridge::to_images(&batch).unwrap() {
            assert!(problem.residual(&found) < 1e-5);
        }
    }
    // A grey image has no colour, and what is seen of it says nothing about colour.
    let plain = values(&prior.denoise(&x, 0.8).unwrap());
    let guided = values(&model.denoise(&x, 0.8).unwrap());
    for pixel in 0..PIXELS.0 * PIXELS.1 {
        let [green, blue] = [1, 2].map(|channel| channel * PIXELS.0 * PIXELS.1 + pixel);
        assert!(((plain[green] - plain[blue]) - (guided[green] - guided[blue])).abs() < 1e-5);
    }
}

fn red_diff<T: Transform<Image = Array2<f32>>>(settings: RedDiff) -> Sampled<Gaussian, T> {
    Sampled::new(prior((SIDE, SIDE)), settings, UnitRule::Fixed(1.0), Device::Cpu).from(Direct)
}

/// At one level and with the weight of the documentation the estimate is the posterior mean, up to what Adam's
/// step leaves.
#[test]
fn red_diff_finds_the_mean_of_a_gaussian_posterior() {
    const SIGMA: f64 = 20.0;
    let problem = inpainting();
    let dim = (SIDE, SIDE);
    let mean = bridge::to_images(&prior(dim).mean).unwrap().swap_remove(0);
    let truth = linear_posterior_mean(&problem, &mean, VARIANCE as f32, NOISE as f32, 60);
    let settings = RedDiff {
        sigma_start: SIGMA,
        sigma_end: SIGMA,
        steps: 300,
        learning_rate: 0.02,
        weight: 1.0 / VARIANCE + 1.0 / (SIGMA * SIGMA),
        noise_floor: 0.0,
    };
    let seed = SliceSeed { seed: 1, case: 0, slice: 0 };
    let found = red_diff(settings).reconstruct(&problem, seed, &Silent).unwrap();
    let error = |image: &Array2<f32>| (image - &truth).norm() / SIDE as f64;
    println!("RED-diff: {:.1e} from {:.1e}", error(&found.image), error(&problem.measured));
    assert_eq!(found.network_calls, 300);
    assert!(error(&problem.measured) > 0.2 && error(&found.image) < 5e-3);
}

#[test]
fn red_diff_refuses_what_it_cannot_use() {
    let sound = RedDiff {
        sigma_start: 1.0,
        sigma_end: 0.1,
        steps: 3,
        learning_rate: 0.1,
        weight: 1.0,
        noise_floor: 0.0,
    };
    let problem = inpainting();
    let run_on = |problem: &_, settings| {
        let seed = SliceSeed { seed: 1, case: 0, slice: 0 };
        red_diff(settings).reconstruct(problem, seed, &Silent).map(|_| ())
    };
    let run = |settings| run_on(&problem, settings);
    run(sound).unwrap();
    assert!(run_on(&noiseless(problem.clone()), sound).is_err(), "noise unknown");
    assert!(run_on(&Problem { noise: DataNoise::White(0.0), ..problem.clone() }, sound).is_err(), "no noise");
    for settings in [
        RedDiff { steps: 0, ..sound },
        RedDiff { learning_rate: f64::NAN, ..sound },
        RedDiff { weight: -1.0, ..sound },
        RedDiff { sigma_end: 0.0, ..sound },
    ] {
        assert!(run(settings).is_err(), "{settings:?}");
    }
}
