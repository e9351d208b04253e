//! Every sampler on every process: calls, and bias on a Gaussian. Guards the table of `docs/samplers.md`.

use crate::score::fixtures::values;
use crate::score::rendered::guard;
use crate::score::statistics::{Moments, noise};
use candle_core::{Device, Tensor};
use recon::score::{
    Acceptance, Churn, Corrector, Counted, Descent, DormandPrince, Gaussian, Hamiltonian, Langevin,
    LevelMethod, Noise, Predictor, ProbabilityFlow, ReverseProcess, Schedule, Sde, SubVp, Unconditional,
    UnderdampedLangevin, Ve, Vp,
};

const MEAN: f64 = 0.4;
const STD: f64 = 0.3;
const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };

#[derive(Clone, Copy)]
enum Method {
    Steps(Predictor, Corrector, usize),
    Levels(LevelMethod, usize),
    Adaptive,
}

/// A process, and where its time ends.
#[derive(Clone, Copy)]
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
}

impl Method {
    fn sample(
        self,
        process: Process,
        model: &Counted<Gaussian>,
        noise: &mut Noise,
    ) -> anyhow::Result<Tensor> {
        let (sde, t_end) = (process.sde(), process.t_end());
        match self {
            Self::Steps(predictor, corrector, steps) => {
                let (predictor, corrector) = (predictor.update(), corrector.update());
                let sampler = ReverseProcess { sde, predictor, corrector, steps, t_end };
                sampler.sample(model, &mut Unconditional, noise, &mut |_| Ok(()))
            }
            Self::Levels(method, steps) => {
                let (sigma_min, sigma_max) = (0.01, sde.noise_level(1.0));
                let mut levels = Schedule::Karras { sigma_min, sigma_max, rho: 7.0 }.levels(steps);
                levels.push(0.0);
                Descent { levels, method }.sample(model, &mut Unconditional, noise, &mut |_| Ok(()))
            }
            Self::Adaptive => {
                let flow = ProbabilityFlow { sde: &*sde, t_end, solver: DormandPrince::default() };
                let x = flow.decode(model, &sde.sample_prior(noise)?)?.x;
                Ok(flow.moment(t_end).denoise(model, &x)?)
            }
        }
    }
}

fn methods() -> Vec<(&'static str, Method)> {
    let churn = Churn { amount: 10.0, sigma_min: 0.02, sigma_max: 10.0, inflation: 1.0 };
    let langevin = Corrector::Langevin(Langevin::new(0.16));
    let underdamped = Corrector::Underdamped(UnderdampedLangevin { step: 0.5, friction: 1.0, moves: 2 });
    let hamiltonian = Corrector::Hamiltonian(Hamiltonian {
        step: 0.2,
        leapfrogs: 3,
        moves: 1,
        acceptance: Acceptance::AlongPath,
    });
    vec![
        ("Euler-Maruyama", Method::Steps(Predictor::EulerMaruyama, Corrector::None, 200)),
        ("reverse diffusion", Method::Steps(Predictor::ReverseDiffusion, Corrector::None, 200)),
        ("ancestral", Method::Steps(Predictor::Ancestral, Corrector::None, 200)),
        ("probability flow, Euler", Method::Steps(Predictor::ProbabilityFlow, Corrector::None, 200)),
        ("reverse diffusion + Langevin", Method::Steps(Predictor::ReverseDiffusion, langevin, 100)),
        ("reverse diffusion + underdamped", Method::Steps(Predictor::ReverseDiffusion, underdamped, 100)),
        ("reverse diffusion + Hamiltonian", Method::Steps(Predictor::ReverseDiffusion, hamiltonian, 100)),
        ("DDIM (Euler over levels)", Method::Levels(LevelMethod::Euler, 36)),
        ("Heun", Method::Levels(LevelMethod::Heun(None), 18)),
        ("Heun with churn", Method::Levels(LevelMethod::Heun(Some(churn)), 18)),
        ("DPM-Solver++(2M)", Method::Levels(LevelMethod::DpmPlusPlus, 18)),
        ("Dormand-Prince", Method::Adaptive),
    ]
}

/// Calls and bias, or nothing where the method is not defined for the process.
fn measure(method: Method, process: Process) -> Option<(usize, f64, f64)> {
    let mean = Tensor::full(MEAN as f32, (1, 1, 32, 32), &Device::Cpu).unwrap();
    let model = Counted::new(Gaussian { mean, variance: STD * STD });
    let x = method.sample(process, &model, &mut noise(16, (32, 32))).ok()?;
    let (of_mean, of_std) = Moments::of(&values(&x)).bias(MEAN, STD);
    Some((model.calls(), of_mean, of_std))
}

/// Biases of 200 or fewer steps; those of Euler's method on the flow are the largest.
const LARGEST_BIAS: f64 = 0.2;

#[test]
fn every_sampler_draws_a_gaussian_on_every_process() {
    let mut table = vec![
        "| sampler | VE calls | mean | std | VP calls | mean | std | sub-VP calls | mean | std |".to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (name, method) in methods() {
        let mut row = format!("| {name} |");
        for process in [Process::Ve, Process::Vp, Process::SubVp] {
            let cells = match measure(method, process) {
                Some((calls, mean, std)) => {
                    assert!(mean.abs() < LARGEST_BIAS && std.abs() < LARGEST_BIAS, "{name}: {mean} {std}");
                    format!(" {calls} | {:+.1} % | {:+.1} % |", 100.0 * mean, 100.0 * std)
                }
                None => {
                    assert!(name == "ancestral" && matches!(process, Process::SubVp));
                    " – | – | – |".to_owned()
                }
            };
            row.push_str(&cells);
        }
        table.push(row);
    }
    println!("{}", table.join("\n"));
    guard("samplers", &table, 0.3);
}
