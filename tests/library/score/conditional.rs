//! Every conditional sampler on every process and operator, against exact posteriors: the table of
//! `docs/samplers.md`.

use crate::score::exact::{Definite, ExactPosterior};
use crate::score::fixtures::values;
use crate::score::rendered::guard;
use crate::score::tasks::{NONE, Operator, Prior, Process, SAMPLES, SIDE, Task, draws};
use anyhow::Result;
use candle_core::{Device, Tensor};
use ndarray::Array2;
use rayon::prelude::*;
use recon::score::{
    AnnealedLangevin, Bridged, Decomposed, Dps, DpsWeight, GuidedDenoiser, GuidedMove, Langevin, LevelMethod,
    NoUpdate, Noise, NoisyMeasurement, ReverseDiffusion, Sampler, Start, Stream, Unconditional, bridge,
};
use recon_pipelines::{Direct, Reconstruct, Silent, SliceSeed};

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
    let sampler =
        Decomposed { sigma_start: 5.0, steps: 40, cg_iterations: 12, data_weight: 1e4, ..Default::default() };
    let slice = SliceSeed { seed: 5, case: 0, slice: 0 };
    let start = Direct.reconstruct(&task.problem, slice, &Silent)?.image;
    let start = bridge::to_tensor(&[start], &Device::Cpu)?;
    let measured = Bridged::new(&task.problem, 1.0);
    let draw = |sample| {
        let mut noise = Noise::new(&[Stream { slice, sample }], (SIDE, SIDE), &Device::Cpu);
        sampler.draw(&task.prior, &measured, Start(Some(&start)), &mut noise, &Silent)
    };
    let images = (0..SAMPLES as u64).map(draw).collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&images, 0)?)
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
