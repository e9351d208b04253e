//! The probability flow against recorded runs with scipy's solver and against closed forms.

use crate::score::fixtures::{Record, relative_error, values};
use crate::score::statistics::{Moments, noise};
use candle_core::{DType, Device, Tensor};
use recon::score::{
    DormandPrince, Gaussian, GaussianMixture, ProbabilityFlow, ScoreModel, Sde, SubVp, Ve, Vp, tempered,
};

const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };
const VE: Ve = Ve { sigma_min: 0.01, sigma_max: 50.0 };

pub(crate) fn gaussian(record: &Record) -> Gaussian {
    Gaussian { mean: record.get("mu").clone(), variance: 0.04 }
}

pub(crate) fn mixture(record: &Record) -> GaussianMixture {
    let component = |k: usize, variance| Gaussian { mean: record.get(&format!("mu{k}")).clone(), variance };
    GaussianMixture {
        components: vec![component(0, 0.05), component(1, 0.1), component(2, 0.02)],
        weights: vec![0.5, 0.3, 0.2],
    }
}

fn flow(sde: &dyn Sde, t_end: f64) -> ProbabilityFlow<'_> {
    ProbabilityFlow { sde, t_end, solver: DormandPrince::default() }
}

/// Decodes the recorded latents: result and number of calls as scipy's.
fn check(name: &str, sde: &dyn Sde, model: &dyn ScoreModel, t_end: f64, calls: usize) -> Tensor {
    let record = Record::fixture(name);
    let decoded = flow(sde, t_end).decode(model, record.get("z")).unwrap();
    let error = values(&decoded.x)
        .iter()
        .zip(record.values("x"))
        .map(|(a, b)| (a - b).abs() / b.abs().max(1.0))
        .fold(0.0, f64::max);
    println!("{name}: {error:e} in {} calls", decoded.calls);
    assert!(error < 2e-4, "{name}: {error:e}");
    assert_eq!(decoded.calls, calls, "{name}");
    decoded.x
}

#[test]
fn decoding_matches_the_published_runs_call_by_call() {
    let record = Record::fixture("ode_ve_gauss");
    let x = check("ode_ve_gauss", &VE, &gaussian(&record), 1e-5, 110);
    assert!(relative_error(&x, record.get("x_exact")) < 3e-5);
    let record = Record::fixture("ode_subvp_mix");
    check("ode_subvp_mix", &SubVp(VP), &mixture(&record), 1e-3, 62);
}

/// Where this flow is smooth its error estimate is the rounding of single precision, and whether a step is tried
/// once more hangs on it: 68 or 74 calls between 0.9 and 1.5 times the tolerance. The published run took 68 and is
/// off by `7.1e-5`.
#[test]
fn a_smooth_flow_ends_near_the_closed_form() {
    let record = Record::fixture("ode_vp_gauss");
    let decoded = flow(&VP, 1e-5).decode(&gaussian(&record), record.get("z")).unwrap();
    let error = relative_error(&decoded.x, record.get("x_exact"));
    println!("VP: {error:e} in {} calls", decoded.calls);
    assert!(error < 3e-5, "{error:e}");
    assert!(relative_error(&decoded.x, record.get("x")) < 3e-4);
    assert!((68..=74).contains(&decoded.calls));
}

/// There and back again within ten times the tolerance, for every process and for many modes.
#[test]
fn what_is_encoded_is_decoded() {
    let record = Record::fixture("ode_subvp_mix");
    let model = mixture(&record);
    let x = record.get("x");
    for (sde, t_end) in [(&VE as &dyn Sde, 1e-3), (&VP, 1e-3), (&SubVp(VP), 1e-2)] {
        let flow = flow(sde, t_end);
        let z = flow.encode(&model, x).unwrap().x;
        let again = flow.decode(&model, &z).unwrap().x;
        let error = relative_error(&again, x);
        println!("there and back: {error:e}");
        assert!(error < 1e-3, "{error:e}");
    }
}

/// Latents of a prior with its variance halved: the variance of a Gaussian's samples is halved with them.
#[test]
fn temperature_narrows_the_samples() {
    let mean = Tensor::full(0.4, (1, 1, 32, 32), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    let model = Gaussian { mean, variance: 0.09 };
    let z = VP.sample_prior(&mut noise(8, (32, 32))).unwrap();
    let x = flow(&VP, 1e-5).decode(&model, &tempered(&z, 0.5).unwrap()).unwrap().x;
    Moments::of(&values(&x)).assert_law("temperature 0.5", (0.4, 0.3 * 0.5f64.sqrt()), 4.0);
}
