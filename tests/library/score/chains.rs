//! The Markov chains of SMLD and DDPM, and the discretised flows, against `sde_lib.py`.

use crate::score::fixtures::{Record, relative_error, values};
use crate::score::statistics::{Moments, noise};
use candle_core::{Device, Tensor};
use recon::score::{
    Ancestral, DdpmChain, Gaussian, Moment, NoUpdate, Noise, ProbabilityFlowEuler, ReverseDiffusion,
    ReverseProcess, Sde, SmldChain, SubVp, Unconditional, Update, Ve, Vp,
};

const STEPS: usize = 1000;
const VE: Ve = Ve { sigma_min: 0.01, sigma_max: 50.0 };
const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };

fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a / b - 1.0).abs() < tolerance, "{i}: {a} is not {b}");
    }
}

#[test]
fn ladders_are_the_published_ones() {
    let record = Record::fixture("sde_grid");
    let sigmas = record.values("VESDE_1000_0.01_50.0.discrete_sigmas");
    assert_close(VE.chain(STEPS).sigmas(), &sigmas, 1e-5);
    let chain = VP.chain(STEPS);
    assert_close(chain.betas(), &record.values("VPSDE_1000_0.1_20.0.discrete_betas"), 1e-6);
    // The product of a thousand factors in single precision on their side.
    assert_close(chain.kept(), &record.values("VPSDE_1000_0.1_20.0.alphas_cumprod"), 1e-4);
}

/// Where `t` falls on a step, process and chain discretise alike.
#[test]
fn a_chain_steps_as_its_process_does() {
    let pairs: [(&dyn Sde, &dyn Sde); 2] = [(&VE, &VE.chain(50)), (&VP, &VP.chain(50))];
    for (process, chain) in pairs {
        for i in 0..50 {
            let t = f64::from(i) / 49.0;
            let numbers = |sde: &dyn Sde| {
                let (step, ancestral) = (sde.discretize(t, 50), sde.ancestral(t, 50).unwrap());
                [step.0, step.1, ancestral.scale, ancestral.variance, ancestral.std]
            };
            for (a, b) in numbers(process).into_iter().zip(numbers(chain)) {
                assert!((a - b).abs() < 1e-12, "{t}: {a} is not {b}");
            }
            assert_eq!(process.langevin_scale(t, 50), chain.langevin_scale(t, 50));
        }
    }
}

#[test]
fn chains_refuse_what_is_no_ladder() {
    assert!(SmldChain::new(vec![]).is_none());
    assert!(SmldChain::new(vec![0.0, 1.0]).is_none());
    assert!(SmldChain::new(vec![1.0, 0.5]).is_none());
    assert_eq!(DdpmChain::new(vec![2.0, -1.0]).betas(), [1.0, 0.0]);
    assert_eq!(DdpmChain::new(vec![]).betas(), [0.0]);
}

/// Sampling the exact chain of 400 steps gives its data law; what is left of the noise is `σ₀` or `√β₀`.
#[test]
fn ancestral_sampling_of_the_chains_draws_the_data() {
    let mean = Tensor::full(0.4f32, (1, 1, 32, 32), &Device::Cpu).unwrap();
    let model = Gaussian { mean, variance: 0.09 };
    let chains: [Box<dyn Sde>; 2] =
        [Box::new(Ve { sigma_min: 0.01, sigma_max: 20.0 }.chain(400)), Box::new(VP.chain(400))];
    for (name, sde) in ["SMLD", "DDPM"].into_iter().zip(chains) {
        let sampler = ReverseProcess {
            sde,
            predictor: Box::new(Ancestral),
            corrector: Box::new(NoUpdate),
            steps: 400,
            t_end: 0.0,
        };
        let mut noise = noise(8, (32, 32));
        let x = sampler.sample(&model, &mut Unconditional, &mut noise, &mut |_| Ok(())).unwrap();
        Moments::of(&values(&x)).assert_law(name, (0.4, 0.3), 4.0);
    }
}

#[test]
fn reverse_and_flow_steps_match_the_published_ones() {
    let record = Record::fixture("sde_grid");
    let processes: [(&str, &dyn Sde); 3] =
        [("VESDE_1000_0.01_50.0", &VE), ("VPSDE_1000_0.1_20.0", &VP), ("subVPSDE_1000_0.1_20.0", &SubVp(VP))];
    for (name, sde) in processes {
        let entries = |key: &str| record.entries(&format!("{name}.{key}"));
        let times = record.values(&format!("{name}.t"));
        for i in (0..times.len()).filter(|&i| times[i] >= 1e-3) {
            let x = entries("x")[i].unsqueeze(0).unwrap();
            let at = Moment { sde, t: times[i], steps: STEPS };
            let mean = Tensor::full(0.4f32, (1, 2, 2), &Device::Cpu).unwrap();
            let model = Gaussian { mean, variance: 0.09 };
            let step = |update: &dyn Update| {
                let mut noise = Noise::recorded([x.zeros_like().unwrap()]);
                (&x - update.update(&x, &at, &model, &mut noise).unwrap().1).unwrap()
            };
            // x − x' cancels in single precision: a share of x is lost.
            let floor = |step: &Tensor| 3e-7 * max(&x) / max(step).max(1e-30);
            let (flow, reverse) = (&entries("pf_discretize_f")[i], &entries("reverse_discretize_f")[i]);
            let error = relative_error(&step(&ProbabilityFlowEuler), flow);
            assert!(error < 1e-4 + floor(flow), "{name} {i}: {error:e}");
            let error = relative_error(&step(&ReverseDiffusion), reverse);
            assert!(error < 1e-4 + floor(reverse), "{name} {i}: {error:e}");
        }
    }
}

fn max(x: &Tensor) -> f64 {
    values(x).iter().fold(0.0, |m: f64, v| m.max(v.abs()))
}
