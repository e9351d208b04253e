//! Every conditional sampler on every process and operator, against exact posteriors: the table of
//! `docs/samplers.md`.

use crate::exact::{Definite, ExactPosterior};
use crate::fixtures::values;
use crate::rendered::guard;
use crate::statistics::noise;
use crate::transforms::{Dense, Numbers};
use anyhow::Result;
use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2};
use rayon::prelude::*;
use recon::score::{
    AnnealedLangevin, Consistency, Counted, Decomposed, DecomposedSettings, Descent, Dps, DpsWeight, Form,
    Gaussian, GaussianMixture, GuidedDenoiser, GuidedMove, Langevin, LevelMethod, LikelihoodGradient,
    Measurement, NoUpdate, NoisyMeasurement, PosteriorSampler, Projection, PseudoInverse, ReverseDiffusion,
    Sampler, ScoreModel, Sde, Stream, SubVp, Unconditional, UnitRule, Update, Ve, Vp, bridge,
    levels_of_process,
};
use recon_operators::solvers::operator_norm;
use recon_operators::{
    DataNoise, Field, Filter, Identity, LinearOperator, Mask, ParallelBeam, PhasedFourier, Problem, Radon,
    Transform,
};
use recon_pipelines::{Direct, Silent, SliceSeed};

const SIDE: usize = 8;
/// Images drawn for a cell of the table. Nine in ten lie between the 4th and the 76th value of a pixel.
const SAMPLES: usize = 79;
const PRIOR_VARIANCE: f64 = 0.09;
/// Noise of measurements that methods take for exact: small enough not to be seen.
const NONE: f64 = 1e-2;
const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };

#[derive(Clone, Copy, Debug)]
enum Process {
    Ve,
    Vp,
    SubVp,
}

impl Process {
    fn sde(self) -> Box<dyn Sde> {
        match self {
            Self::Ve => Box::new(Ve { sigma_min: 0.01, sigma_max: 20.0 }),
            Self::Vp => Box::new(VP),
            Self::SubVp => Box::new(SubVp(VP)),
        }
    }
    fn t_end(self) -> f64 {
        if matches!(self, Self::Ve) { 1e-5 } else { 1e-3 }
    }
    fn name(self) -> &'static str {
        match self {
            Self::Ve => "VE",
            Self::Vp => "VP",
            Self::SubVp => "sub-VP",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Fourier,
    Radon,
    Inpainting,
}

impl Operator {
    fn name(self) -> &'static str {
        match self {
            Self::Fourier => "Fourier",
            Self::Radon => "Radon",
            Self::Inpainting => "inpainting",
        }
    }

    /// Five of eight columns, four views, or every second pixel.
    fn transform(self) -> (Dense, Mask) {
        match self {
            Self::Fourier => {
                let columns: Vec<bool> = (0..SIDE).map(|j| j.abs_diff(SIDE / 2) < 2 || j % 7 == 0).collect();
                masked(&PhasedFourier::new(SIDE, SIDE, None), &Mask::columns(SIDE, &columns))
            }
            Self::Radon => {
                let geometry = ParallelBeam::equally_spaced(SIDE, SIDE, 1.0, 4);
                let all = Mask::full(geometry.angles.len() * geometry.detectors);
                masked(&Radon::new(geometry, Filter::Ramp).unwrap(), &all)
            }
            Self::Inpainting => {
                let kept = (0..SIDE * SIDE).map(|i| (i / SIDE + i).is_multiple_of(2)).collect();
                masked(&Identity { rows: SIDE, cols: SIDE }, &Mask::new(kept))
            }
        }
    }

    /// Standard deviation of the noise where there is some: a tenth of what is measured, or so.
    fn noise(self) -> f64 {
        if matches!(self, Self::Radon) { 0.2 } else { 0.1 }
    }
}

/// The operator as a matrix, with a mask of real numbers.
fn masked<T: Transform<Image = Array2<f32>>>(transform: &T, mask: &Mask) -> (Dense, Mask)
where
    T::Data: Numbers,
{
    let kept = mask.kept().iter().flat_map(|kept| std::iter::repeat_n(*kept, T::Data::PARTS));
    (Dense::of(transform), Mask::new(kept.collect()))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Prior {
    Gaussian,
    Mixture,
}

fn gaussian(offset: f32, variance: f64) -> Gaussian {
    let mean = Array2::from_shape_fn((SIDE, SIDE), |(i, j)| {
        0.5 + 0.3 * (0.7 * i as f32 - 0.4 * j as f32).sin() + offset * (0.5 * i as f32 + 0.9 * j as f32).cos()
    });
    Gaussian::new(&mean, variance, &Device::Cpu).unwrap()
}

/// One posterior to be sampled.
struct Task {
    process: Process,
    problem: Problem<Dense>,
    noise: f64,
    prior: Counted<GaussianMixture>,
    truth: ExactPosterior,
}

impl Task {
    /// The measurement of an image half way between the components, with weights that leave open which it is: the
    /// first has 0.4 of the posterior.
    fn new(process: Process, operator: Operator, noise: f64, prior: Prior) -> Self {
        let components = match prior {
            Prior::Gaussian => vec![gaussian(0.0, PRIOR_VARIANCE)],
            Prior::Mixture => vec![gaussian(0.25, PRIOR_VARIANCE), gaussian(-0.25, 0.05)],
        };
        let (transform, mask) = operator.transform();
        let measured = mask.select(measured(&transform, noise));
        let problem = Problem::new(transform, mask, measured);
        let weights = vec![1.0; components.len()];
        let mut prior = GaussianMixture { components, weights };
        let evidence = ExactPosterior::new(&prior, &problem, noise);
        let wanted = [0.4, 0.6];
        prior.weights = evidence.0.iter().zip(wanted).map(|(part, wanted)| wanted / part.weight).collect();
        let truth = ExactPosterior::new(&prior, &problem, noise);
        Self { process, problem, noise, prior: Counted::new(prior), truth }
    }

    fn measurement(&self) -> Measurement<'_, Dense> {
        Measurement::new(&self.problem, 1.0, self.noise)
    }

    fn projection(&self) -> Projection<'_, Dense> {
        Projection::new(&self.problem, 1.0, 1.0, 1.0, Form::ConjugateGradient { iterations: 8 })
    }

    fn annealed_likelihood(&self) -> LikelihoodGradient<'_, Dense> {
        let coefficient = operator_norm(&self.problem, 30);
        LikelihoodGradient { measurement: self.measurement(), coefficient }
    }

    fn pseudo_inverse(&self) -> GuidedDenoiser<&Counted<GaussianMixture>, PseudoInverse<'_, Dense>> {
        let guidance =
            PseudoInverse { measurement: self.measurement(), prior_variance: PRIOR_VARIANCE, iterations: 15 };
        GuidedDenoiser { prior: &self.prior, guidance }
    }

    fn in_time(
        &self,
        model: &dyn ScoreModel,
        (predictor, corrector): (impl Update, impl Update),
        steps: usize,
        consistency: &mut dyn Consistency,
    ) -> Result<Tensor> {
        let (sde, t_end) = (self.process.sde(), self.process.t_end());
        let (predictor, corrector) = (Box::new(predictor), Box::new(corrector));
        let sampler = Sampler { sde, predictor, corrector, steps, t_end };
        sampler.sample(model, consistency, &mut draws(), &mut |_| Ok(()))
    }

    fn over_levels(&self, model: &dyn ScoreModel, method: LevelMethod, steps: usize) -> Result<Tensor> {
        let mut levels = levels_of_process(&*self.process.sde(), steps, self.process.t_end());
        levels.push(0.0);
        Descent { levels, method }.sample(model, &mut Unconditional, &mut draws(), &mut |_| Ok(()))
    }
}

fn draws() -> recon::score::Noise {
    noise(SAMPLES as u64, (SIDE, SIDE))
}

/// Data of one image, drawn around the middle of the components.
fn measured(transform: &Dense, noise: f64) -> Array1<f32> {
    use rand::SeedableRng;
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(17);
    let mut image = bridge::to_images(&gaussian(0.0, 0.0).mean).unwrap().swap_remove(0);
    image.add_scaled(PRIOR_VARIANCE.sqrt() as f32, &Field::randn(&[SIDE, SIDE], &mut rng));
    let mut data = transform.forward(&image);
    data.add_scaled(noise as f32, &Field::randn(&transform.data_shape(), &mut rng));
    data
}

fn exact_draws(task: &Task) -> Result<Tensor> {
    let z = values(&draws().draw()?);
    let parts: Vec<Definite> = task.truth.0.iter().map(|part| jittered(&part.covariance)).collect();
    let images = z.chunks(SIDE * SIDE).enumerate().map(|(i, z)| {
        // Stratified: the i-th of the images lies at this share of the components.
        let share = (i as f64 + 0.5) / SAMPLES as f64;
        let k = usize::from(task.truth.0.len() > 1 && share > task.truth.0[0].weight);
        &task.truth.0[k].mean + &parts[k].coloured(&z.to_vec().into())
    });
    let flat: Vec<f32> = images.flatten().map(|v| v as f32).collect();
    Ok(Tensor::from_vec(flat, (SAMPLES, 1, SIDE, SIDE), &Device::Cpu)?)
}

/// The covariance of a nearly exact measurement, made definite against rounding.
fn jittered(covariance: &Array2<f64>) -> Definite {
    Definite::new(&(covariance + &(Array2::<f64>::eye(covariance.nrows()) * 1e-12)))
}

fn decomposed(task: &Task) -> Result<Tensor> {
    let settings = DecomposedSettings {
        sigma_start: 5.0,
        steps: 40,
        cg_iterations: 12,
        data_weight: 1e4,
        ..Default::default()
    };
    let unit = UnitRule::Fixed(1.0);
    let method =
        Decomposed { model: &task.prior, settings, unit, start: Box::new(Direct), device: Device::Cpu };
    let slice = SliceSeed { seed: 5, case: 0, slice: 0 };
    let problem = Problem { noise: DataNoise::white(task.noise as f32), ..task.problem.clone() };
    let start = method.begin(&problem, slice, &Silent)?;
    let draw = |sample| Ok(method.sample(&problem, &start, Stream { slice, sample }, &Silent)?.image);
    let images = (0..SAMPLES as u64).map(draw).collect::<Result<Vec<_>>>()?;
    Ok(bridge::to_tensor(&images, &Device::Cpu)?)
}

fn dps(task: &Task) -> Result<Tensor> {
    let guidance = Dps { measurement: task.measurement(), weight: DpsWeight::Residual { step: 1.0 } };
    let model = GuidedDenoiser { prior: &task.prior, guidance };
    task.in_time(&model, (ReverseDiffusion, NoUpdate), 200, &mut Unconditional)
}

/// A sampler, and what it is claimed to be.
struct Method {
    name: &'static str,
    draw: fn(&Task) -> Result<Tensor>,
    /// The processes that it runs along; none for a method with levels of its own.
    processes: &'static [Process],
    /// Whether it knows of noise in the data.
    noisy: bool,
    /// For a Gaussian and for a mixture: how far the spread may be off, if it is exact in the limit.
    exact: [Option<f64>; 2],
}

const ALL: &[Process] = &[Process::Ve, Process::Vp, Process::SubVp];
const NEVER: [Option<f64>; 2] = [None, None];
/// Four Monte-Carlo standard errors.
const EXACT: f64 = 0.05;
/// Those and the bias of a first-order method after 100 steps.
const FIRST_ORDER: [Option<f64>; 2] = [Some(2.0 * EXACT), None];
/// Those and the bias of a second-order method after 50 calls, which in even times of VP is three times that of VE.
const SECOND_ORDER: [Option<f64>; 2] = [Some(3.0 * EXACT), None];

fn timed(
    name: &'static str,
    noisy: bool,
    exact: [Option<f64>; 2],
    draw: fn(&Task) -> Result<Tensor>,
) -> Method {
    Method { name, draw, processes: ALL, noisy, exact }
}

fn untimed(name: &'static str, exact: [Option<f64>; 2], draw: fn(&Task) -> Result<Tensor>) -> Method {
    Method { name, draw, processes: &[], noisy: true, exact }
}

fn methods() -> Vec<Method> {
    vec![
        untimed("exact draws", [Some(EXACT), Some(EXACT)], exact_draws),
        timed("projection, reverse diffusion + Langevin", false, FIRST_ORDER, |task| {
            let moves = (ReverseDiffusion, Langevin::new(0.1));
            task.in_time(&task.prior, moves, 100, &mut task.projection())
        }),
        timed("projection, annealed Langevin", false, NEVER, |task| {
            let moves = (NoUpdate, AnnealedLangevin { snr: 0.3, moves: 4 });
            task.in_time(&task.prior, moves, 80, &mut task.projection())
        }),
        timed("likelihood gradient, annealed Langevin", true, NEVER, |task| {
            let moves = AnnealedLangevin { snr: 0.25, moves: 6 };
            let corrector = GuidedMove { moves, guidance: task.annealed_likelihood() };
            task.in_time(&task.prior, (NoUpdate, corrector), 80, &mut Unconditional)
        }),
        timed("noisy measurement, reverse diffusion + Langevin", true, NEVER, |task| {
            let guidance = || task.annealed_likelihood();
            let predictor = NoisyMeasurement { moves: ReverseDiffusion, guidance: guidance() };
            let corrector = NoisyMeasurement { moves: Langevin::new(0.1), guidance: guidance() };
            task.in_time(&task.prior, (predictor, corrector), 100, &mut Unconditional)
        }),
        untimed("decomposed, κ = 1", NEVER, decomposed),
        timed("DPS by 1/n², reverse diffusion", true, NEVER, |task| {
            let guidance = Dps { measurement: task.measurement(), weight: DpsWeight::Likelihood };
            let model = GuidedDenoiser { prior: &task.prior, guidance };
            task.in_time(&model, (ReverseDiffusion, NoUpdate), 200, &mut Unconditional)
        }),
        Method {
            processes: &[Process::Ve],
            ..timed("DPS by the residual, reverse diffusion", true, NEVER, dps)
        },
        timed("ΠGDM, reverse diffusion", true, FIRST_ORDER, |task| {
            task.in_time(&task.pseudo_inverse(), (ReverseDiffusion, NoUpdate), 100, &mut Unconditional)
        }),
        timed("ΠGDM, Euler over levels", true, NEVER, |task| {
            task.over_levels(&task.pseudo_inverse(), LevelMethod::Euler, 50)
        }),
        timed("ΠGDM, Heun", true, SECOND_ORDER, |task| {
            task.over_levels(&task.pseudo_inverse(), LevelMethod::Heun(None), 25)
        }),
        timed("ΠGDM, DPM-Solver++(2M)", true, SECOND_ORDER, |task| {
            task.over_levels(&task.pseudo_inverse(), LevelMethod::DpmPlusPlus, 50)
        }),
    ]
}

/// How samples compare with the exact posterior, over pixels that the data leave open.
#[derive(Clone, Copy, Debug)]
struct Accuracy {
    calls: usize,
    /// Root mean square of the errors of the mean, in posterior standard deviations.
    mean: f64,
    /// Root mean square of their standard deviations over that of the exact ones.
    spread: f64,
    /// Mean posterior probability of the interval that nine samples in ten fall into.
    coverage: f64,
}

impl Accuracy {
    fn of(samples: &Tensor, calls: usize, truth: &ExactPosterior) -> Self {
        let all = values(samples);
        let open: Vec<usize> = (0..SIDE * SIDE).filter(|&i| truth.std(i) > 2.0 * NONE).collect();
        let (mut errors, mut drawn, mut exact, mut coverage) = (0.0, 0.0, 0.0, 0.0);
        for &pixel in &open {
            let mut sorted: Vec<f64> = all.iter().skip(pixel).step_by(SIDE * SIDE).copied().collect();
            sorted.sort_by(f64::total_cmp);
            let mean = sorted.iter().sum::<f64>() / SAMPLES as f64;
            let squares: f64 = sorted.iter().map(|v| (v - mean).powi(2)).sum();
            drawn += squares / (SAMPLES - 1) as f64;
            exact += truth.std(pixel).powi(2);
            errors += ((mean - truth.mean(pixel)) / truth.std(pixel)).powi(2);
            coverage += truth.mass(pixel, (sorted[3], sorted[75]));
        }
        let count = open.len() as f64;
        let (mean, spread) = ((errors / count).sqrt(), (drawn / exact).sqrt());
        Self { calls, mean, spread, coverage: coverage / count }
    }

    fn cells(self) -> String {
        format!(" {:.2} | {:.2} | {:.2} |", self.mean, self.spread, self.coverage)
    }
}

fn accuracy(method: &Method, process: Process, operator: Operator, prior: Prior) -> Accuracy {
    let noise = if method.noisy { operator.noise() } else { NONE };
    let task = Task::new(process, operator, noise, prior);
    let samples = (method.draw)(&task).unwrap();
    let calls = task.prior.calls();
    // Drawn one by one, or all at once.
    let calls = if method.processes.is_empty() { calls / SAMPLES } else { calls };
    let accuracy = Accuracy::of(&samples, calls, &task.truth);
    assert!(accuracy.spread.is_finite(), "{} left the numbers", method.name);
    accuracy
}

struct Row {
    method: Method,
    process: Option<Process>,
    operator: Operator,
    cells: [Accuracy; 2],
}

impl Row {
    fn render(&self) -> String {
        let process = self.process.map_or("–", Process::name);
        let [gaussian, mixture] = self.cells;
        let calls = gaussian.calls;
        let head = format!("| {} | {process} | {} | {calls} |", self.method.name, self.operator.name());
        format!("{head}{}{}", gaussian.cells(), mixture.cells())
    }

    /// Whether methods that are exact in the limit show what a perfect sampler would. See the page for the errors.
    fn is_sound(&self) -> bool {
        self.cells.iter().zip(self.method.exact).all(|(cell, exact)| {
            exact.is_none_or(|spread| {
                cell.mean < 0.17
                    && (cell.spread - 1.0).abs() < spread
                    && (cell.coverage - 0.9).abs() < 0.01 + 0.3 * spread
            })
        })
    }
}

fn rows() -> Vec<Row> {
    let mut cases = Vec::new();
    for (index, method) in methods().iter().enumerate() {
        let named = method.processes.iter().copied().map(Some);
        let none = method.processes.is_empty().then_some(None);
        for process in named.chain(none) {
            for operator in [Operator::Fourier, Operator::Radon, Operator::Inpainting] {
                cases.push((index, process, operator));
            }
        }
    }
    let row = |(index, process, operator): (usize, Option<Process>, Operator)| {
        let method = methods().swap_remove(index);
        let of = |prior| accuracy(&method, process.unwrap_or(Process::Ve), operator, prior);
        let cells = [of(Prior::Gaussian), of(Prior::Mixture)];
        let row = Row { method, process, operator, cells };
        println!("{}", row.render());
        row
    };
    cases.into_par_iter().map(row).collect()
}

#[test]
fn every_conditional_sampler_against_exact_posteriors() {
    let rows = rows();
    let mut table = vec![
        "| sampler | process | operator | calls | Gaussian: mean | spread | cover | mixture: mean | spread | cover |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    table.extend(rows.iter().map(Row::render));
    guard("conditional samplers", &table, 0.03);
    let wrong: Vec<String> = rows.iter().filter(|row| !row.is_sound()).map(Row::render).collect();
    assert!(wrong.is_empty(), "these are exact in the limit:\n{}", wrong.join("\n"));
}
