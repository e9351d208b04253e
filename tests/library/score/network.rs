//! Samplers with published networks in the loop, against recorded runs of the published code.

use crate::common::shared;
use crate::score::fixtures::{Record, relative_error, values};
use crate::score::transforms::Dft;
use candle_core::{Device, Result, Tensor, Var, bail};
use ndarray::Array2;
use num_complex::Complex32;
use recon::models::{ArchFile, Prior};
use recon::score::{
    Bridged, Consistency, Coupling, Form, Langevin, Marginal, Moment, Noise, Projection, ReverseDiffusion,
    ReverseProcess, ScoreModel, Sde, Unconditional, Update, Ve, Vp,
};
use recon_operators::{Mask, Problem};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Relative to the largest value of each state. Measured: at most 8e-7 for samplers.
const TOLERANCE: f64 = 1e-5;

const VE: Ve = Ve { sigma_min: 0.01, sigma_max: 128.0 };

/// The averaged weights of a recorded network.
fn prior(shared: &Path, name: &str) -> Prior {
    let weights = Record::reference(shared, &format!("models/{name}/ema_weights"));
    let text = std::fs::read_to_string(shared.join(format!("oracles/models/{name}/arch.toml"))).unwrap();
    let card = ArchFile::parse(&text).unwrap().manifest(name, "recorded");
    Prior::new(card, &Device::Cpu, &|name| Ok(weights.get(name).clone())).unwrap()
}

/// States and means after every update, in order.
type Log = Arc<Mutex<Vec<(Tensor, Tensor)>>>;

struct Logged<U>(U, Log);

impl<U: Update> Update for Logged<U> {
    fn update(
        &self,
        x: &Tensor,
        at: &Moment<'_>,
        model: &dyn ScoreModel,
        noise: &mut Noise,
    ) -> Result<(Tensor, Tensor)> {
        let moved = self.0.update(x, at, model, noise)?;
        self.1.lock().unwrap().push(moved.clone());
        Ok(moved)
    }
}

/// The published sampler, and what every update returned.
fn sampler() -> (ReverseProcess<'static, Ve>, Log) {
    let log = Log::default();
    let corrector = Langevin { snr: 0.16, moves: 1, coupling: Coupling::Batch };
    let sampler = ReverseProcess {
        sde: VE,
        predictor: Box::new(Logged(ReverseDiffusion, Arc::clone(&log))),
        corrector: Box::new(Logged(corrector, Arc::clone(&log))),
        steps: 6,
        t_end: 1e-5,
    };
    (sampler, log)
}

fn compare(log: &Log, expected: &[Tensor], name: &str) {
    let found = log.lock().unwrap();
    assert_eq!(found.len(), expected.len());
    let errors = found.iter().zip(expected).map(|((x, _), b)| relative_error(x, b));
    let worst = errors.fold(0.0, f64::max);
    println!("{name}: {worst:.1e}");
    assert!(worst < TOLERANCE, "{name}: {worst:e}");
}

#[test]
fn reference_predictor_corrector_with_a_network() {
    let Some(shared) = shared() else { return };
    let (record, prior) =
        (Record::reference(&shared, "e2e/pc_ncsnpp_ve_skip"), prior(&shared, "ncsnpp_ve_skip"));
    let (sampler, log) = sampler();
    let mut draws = vec![record.get("prior_unit_noise").clone()];
    draws.extend(record.entries("noise"));
    let mut noise = Noise::recorded(draws);
    sampler.sample(&prior, &mut Unconditional, &mut noise, &mut |_| Ok(())).unwrap();
    compare(&log, &record.entries("states"), "states");
    // The published sampler ends with the mean of the last update, where this one denoises once more.
    let log = log.lock().unwrap();
    let (_, mean) = log.last().unwrap();
    assert!(relative_error(mean, record.get("result")) < TOLERANCE);
}

/// Every image of a batch with a measurement of its own.
struct Each<'a>(Vec<Projection<Bridged<'a, Dft>>>);

impl Each<'_> {
    fn apply(
        &mut self,
        x: &Tensor,
        mut one: impl FnMut(&mut Projection<Bridged<'_, Dft>>, Tensor, usize) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let images = self.0.iter_mut().enumerate().map(|(i, p)| one(p, x.narrow(0, i, 1)?, i));
        Tensor::cat(&images.collect::<Result<Vec<_>>>()?, 0)
    }
}

impl Consistency for Each<'_> {
    fn impose(&mut self, x: Tensor, marginal: Marginal, noise: &mut Noise) -> Result<Tensor> {
        let z = noise.draw()?;
        self.apply(&x, |p, x, i| p.impose(x, marginal, &mut Noise::recorded([z.narrow(0, i, 1)?])))
    }
    fn finish(&mut self, x: Tensor) -> Result<Tensor> {
        self.apply(&x, |p, x, _| p.finish(x))
    }
}

fn problems(record: &Record) -> Vec<Problem<Dft>> {
    let kept: Vec<bool> = record.values("mask").iter().map(|&kept| kept != 0.0).collect();
    let (re, im) = (record.entries("kspace_re"), record.entries("kspace_im"));
    let problem = |(re, im): (&Tensor, &Tensor)| {
        let values = values(re).into_iter().zip(values(im)).map(|(a, b)| Complex32::new(a as f32, b as f32));
        let kspace = Array2::from_shape_vec((32, 32), values.collect()).unwrap();
        let mask = Mask::columns(32, &kept);
        let measured = mask.select(kspace);
        Problem::new(Dft::new(32, 32), mask, measured).unwrap()
    };
    re.iter().zip(&im).map(problem).collect()
}

#[test]
fn reference_projection_onto_kspace_with_a_network() {
    let Some(shared) = shared() else { return };
    let (record, prior) =
        (Record::reference(&shared, "e2e/mri_projection_net"), prior(&shared, "ncsnpp_ve_skip"));
    let (sampler, log) = sampler();
    let image = |t: &Tensor| t.reshape((2, 1, 32, 32)).unwrap();
    let mut draws = vec![image(record.get("prior_unit_noise"))];
    draws.extend(record.entries("noise").iter().map(image));
    let problems = problems(&record);
    let each = problems.iter().map(|p| Projection::new(Bridged::new(p, 1.0), 1.0, 1.0, Form::Published));
    let mut consistency = Each(each.collect());
    let mut noise = Noise::recorded(draws);
    let result = sampler.sample(&prior, &mut consistency, &mut noise, &mut |_| Ok(())).unwrap();
    let expected: Vec<Tensor> = record.entries("x_out").iter().map(image).collect();
    compare(&log, &expected, "updates");
    assert!(relative_error(&result, &image(record.get("result"))) < TOLERANCE);
}

#[test]
fn reference_drift_and_divergence_through_a_network() {
    let Some(shared) = shared() else { return };
    let (record, prior) = (Record::reference(&shared, "e2e/div_ddpmpp_vp"), prior(&shared, "ddpmpp_vp"));
    let sde = Vp { beta_min: 0.1, beta_max: 20.0 };
    for (i, t) in record.values("t").into_iter().enumerate() {
        let part = |name: &str| record.get(name).narrow(0, i, 1).unwrap().contiguous().unwrap();
        let x = Var::from_tensor(&part("x")).unwrap();
        let score = prior.score_of_process(&x, sde.marginal(t).std).unwrap();
        assert!(relative_error(&score, &part("score")) < TOLERANCE, "score at {t}");
        let moment = Moment { sde: &sde, t, steps: 1000 };
        let other = moment.score(&prior, &x).unwrap();
        assert!(relative_error(&other, &part("score")) < TOLERANCE, "score by the way of samplers at {t}");
        let g2 = sde.diffusion(t).powi(2);
        let drift =
            ((x.as_tensor() * sde.drift(t)).unwrap() - (score.affine(0.5 * g2, 0.0)).unwrap()).unwrap();
        assert!(relative_error(&drift, &part("pf_drift")) < TOLERANCE, "drift at {t}");
        let epsilon = part("epsilon");
        let slope = |y: &Tensor| gradient(y, &epsilon, &x).unwrap();
        assert!(relative_error(&slope(&score), &part("score_vjp")) < TOLERANCE, "slope at {t}");
        let divergence = (slope(&drift) * &epsilon).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        let expected = values(&part("div"))[0];
        println!("{t}: divergence {divergence} instead of {expected}");
        assert!((f64::from(divergence) / expected - 1.0).abs() < 1e-3, "divergence at {t}");
    }
}

/// `Σ weight · y` differentiated by `x`.
fn gradient(y: &Tensor, weight: &Tensor, x: &Var) -> Result<Tensor> {
    let grads = (y * weight)?.sum_all()?.backward()?;
    match grads.get(x) {
        Some(gradient) => Ok(gradient.clone()),
        None => bail!("no gradient"),
    }
}

#[test]
fn reference_annealed_langevin_dynamics_with_ncsnv2() {
    let Some(shared) = shared() else { return };
    let (record, prior) = (Record::reference(&shared, "models/ncsnv2/ald_dsm"), prior(&shared, "ncsnv2"));
    /// The published step at the last noise level.
    const STEP: f64 = 6.2e-6;
    let (sigmas, noise) = (record.values("sigmas"), record.entries("noise"));
    let last = sigmas[sigmas.len() - 1];
    let mut x = record.get("x0").clone();
    let mut worst: f64 = 0.0;
    let states = record.entries("states");
    for (i, (z, state)) in noise.iter().zip(&states).enumerate() {
        let sigma = sigmas[i / 2];
        let step = STEP * (sigma / last).powi(2);
        let moved = (&x + (prior.score(&x, sigma).unwrap() * step).unwrap()).unwrap();
        x = (moved + (z * (2.0 * step).sqrt()).unwrap()).unwrap();
        worst = worst.max(relative_error(&x, state));
    }
    let denoised = prior.denoise(&x, last).unwrap();
    worst = worst.max(relative_error(&denoised, &states[noise.len()]));
    println!("annealed Langevin: {worst:.1e}");
    assert!(worst < TOLERANCE, "{worst:e}");
}
