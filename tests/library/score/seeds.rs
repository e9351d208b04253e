//! Results depend on the problem and the seed alone; methods count, stop and refuse as they say.

use crate::score::transforms::Dense;
use candle_core::{Device, Tensor};
use ndarray::Array2;
use recon::methods::Sampled;
use recon::score::{
    Decomposed, Form, Gaussian, Langevin, Moment, Noise, PredictorCorrector, ReverseProcess, ScoreModel,
    Stream, Unconditional, UnitRule, Ve,
};
use recon::score::{ReverseDiffusion, Update};
use recon::settings::PointEstimate;
use recon_operators::{LinearOperator, Mask, Problem};
use recon_pipelines::{Cancelled, Direct, Map, Progress, Reconstruct, Silent, SliceSeed};
use std::sync::atomic::{AtomicUsize, Ordering};

const SEED: SliceSeed = SliceSeed { seed: 3, case: 0, slice: 5000 };

fn problem(scale: f32) -> Problem<Dense> {
    let transform = Dense::random((4, 3), 0.4, 11);
    let mask = Mask::new((0..12).map(|i| i % 3 != 0).collect());
    let image = Array2::from_shape_fn((4, 3), |(i, j)| scale * ((i + 2 * j) as f32).sin());
    let measured = mask.select(transform.forward(&image));
    Problem::new(transform, mask, measured).unwrap()
}

fn prior() -> Gaussian {
    Gaussian::new(&Array2::from_elem((4, 3), 0.25), 0.25, &Device::Cpu).unwrap()
}

fn corrector() -> PredictorCorrector {
    PredictorCorrector {
        sigma_min: 0.01,
        sigma_max: 4.0,
        steps: 8,
        snr: 0.16,
        lambda: 0.9,
        final_lambda: 1.0,
        form: Form::ConjugateGradient { iterations: 8 },
    }
}

fn predictor_corrector(unit: f32) -> Sampled<Gaussian, Dense> {
    Sampled::new(prior(), corrector(), UnitRule::Fixed(unit), Device::Cpu)
}

fn descent() -> Decomposed {
    Decomposed { steps: 9, ..Default::default() }
}

fn decomposed(unit: f32) -> Sampled<Gaussian, Dense> {
    Sampled::new(prior(), descent(), UnitRule::Fixed(unit), Device::Cpu).from(Direct)
}

fn methods(unit: f32) -> [Box<dyn Reconstruct<Dense>>; 2] {
    [Box::new(predictor_corrector(unit)), Box::new(decomposed(unit))]
}

fn image(method: &dyn Reconstruct<Dense>, problem: &Problem<Dense>, seed: SliceSeed) -> Array2<f32> {
    method.reconstruct(problem, seed, &Silent).unwrap().image
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_does_not() {
    for method in methods(1.0) {
        let first = image(method.as_ref(), &problem(1.0), SEED);
        assert_eq!(first, image(method.as_ref(), &problem(1.0), SEED));
        let other = SliceSeed { slice: 5001, ..SEED };
        assert_ne!(first, image(method.as_ref(), &problem(1.0), other));
    }
}

#[test]
fn without_temperature_no_noise_is_drawn_and_the_data_are_met() {
    let method =
        Sampled { sampler: Box::new(Decomposed { temperature: 0.0, ..descent() }), ..decomposed(1.0) };
    let problem = problem(1.0);
    let first = image(&method, &problem, SEED);
    assert_eq!(first, image(&method, &problem, SliceSeed { seed: 4, ..SEED }));
    assert!(problem.residual(&first) < 1e-6, "{}", problem.residual(&first));
    let start = Direct.reconstruct(&problem, SEED, &Silent).unwrap().image;
    assert_ne!(first, start);
}

/// A power of two changes no mantissa, so the results agree to the bit.
#[test]
fn the_unit_scales_the_image_and_nothing_else() {
    for (plain, scaled) in methods(1.0).iter().zip(methods(4.0)) {
        let plain = image(plain.as_ref(), &problem(1.0), SEED);
        assert_eq!(plain * 4.0, image(scaled.as_ref(), &problem(4.0), SEED));
    }
}

#[test]
fn network_calls_are_counted() {
    let [corrector, decomposed] = methods(1.0);
    assert_eq!(corrector.reconstruct(&problem(1.0), SEED, &Silent).unwrap().network_calls, 17);
    assert_eq!(decomposed.reconstruct(&problem(1.0), SEED, &Silent).unwrap().network_calls, 9);
}

#[test]
fn the_first_sample_does_not_depend_on_how_many_are_drawn() {
    let alone = image(&decomposed(1.0), &problem(1.0), SEED);
    let several = Sampled { samples: 3, estimate: PointEstimate::Sample, ..decomposed(1.0) };
    let estimate = several.reconstruct(&problem(1.0), SEED, &Silent).unwrap();
    assert_eq!(alone, estimate.image);
    assert_eq!(estimate.network_calls, 27);
    assert!(estimate.map(Map::Std).unwrap().iter().all(|&std| std > 0.0), "samples differ");
    let single = decomposed(1.0);
    assert!(single.reconstruct(&problem(1.0), SEED, &Silent).unwrap().maps.is_empty());
}

/// Wants to stop after three steps.
struct Impatient(AtomicUsize);

impl Progress for Impatient {
    fn step(&self, done: usize, _steps: usize) {
        self.0.store(done, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= 3
    }
}

#[test]
fn a_cancelled_method_stops_at_once() {
    for method in methods(1.0) {
        let progress = Impatient(AtomicUsize::new(0));
        let error = method.reconstruct(&problem(1.0), SEED, &progress).unwrap_err();
        assert!(error.is::<Cancelled>());
        assert_eq!(progress.0.load(Ordering::Relaxed), 3);
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let run = |method: Sampled<Gaussian, Dense>| method.reconstruct(&problem(1.0), SEED, &Silent).is_err();
    let refused = |change: &dyn Fn(&mut PredictorCorrector)| {
        let mut sampler = corrector();
        change(&mut sampler);
        run(Sampled { sampler: Box::new(sampler), ..predictor_corrector(1.0) })
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|s| s.steps = 1));
    assert!(refused(&|s| s.sigma_min = 0.0));
    assert!(refused(&|s| s.sigma_max = f64::NAN));
    assert!(refused(&|s| s.lambda = 1.5));
    let refused = |change: &dyn Fn(&mut Decomposed)| {
        let mut sampler = descent();
        change(&mut sampler);
        run(Sampled { sampler: Box::new(sampler), ..decomposed(1.0) })
    };
    assert!(!refused(&|_| ()));
    assert!(refused(&|s| s.steps = 0));
    assert!(refused(&|s| s.eta = 1.1));
    assert!(refused(&|s| s.sigma_end = 2.0));
    assert!(run(Sampled { unit: UnitRule::Fixed(0.0), ..decomposed(1.0) }));
    let beyond = UnitRule::Percentile { percentile: 101.0, factor: 1.0 };
    assert!(run(Sampled { unit: beyond, ..decomposed(1.0) }));
}

#[test]
fn a_sample_is_the_same_alone_and_in_a_batch() {
    let stream = |sample| Stream { slice: SEED, sample };
    let draw = |streams: &[Stream]| {
        let sampler = ReverseProcess {
            sde: Ve { sigma_min: 0.01, sigma_max: 4.0 },
            predictor: Box::new(ReverseDiffusion),
            corrector: Box::new(Langevin::new(0.16)),
            steps: 6,
            t_end: 1e-5,
        };
        let mut noise = Noise::new(streams, (4, 3), &Device::Cpu);
        let images = sampler.sample(&prior(), &mut Unconditional, &mut noise, &mut |_| Ok(())).unwrap();
        recon::score::bridge::to_images(&images).unwrap()
    };
    let batch = draw(&[stream(0), stream(1), stream(2)]);
    for (sample, image) in batch.into_iter().enumerate() {
        assert_eq!(draw(&[stream(sample as u64)]), [image]);
    }
}

/// A score of zero, as a network may give on a blank image.
struct Flat;

impl ScoreModel for Flat {
    fn score(&self, x: &Tensor, _std: f64) -> candle_core::Result<Tensor> {
        x.zeros_like()
    }
}

#[test]
fn langevin_stands_still_where_the_score_vanishes() {
    let sde = Ve { sigma_min: 0.01, sigma_max: 4.0 };
    let at = Moment { sde: &sde, t: 0.5, steps: 6 };
    let mut noise = Noise::new(&[Stream { slice: SEED, sample: 0 }], (4, 3), &Device::Cpu);
    let x = Tensor::ones((1, 1, 4, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    let moved = Langevin::new(0.16).update(&x, &at, &Flat, &mut noise).unwrap().0;
    assert_eq!(crate::score::fixtures::values(&moved), vec![1.0; 12]);
}
