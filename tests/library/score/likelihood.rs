//! Likelihoods and bounds against recorded runs, closed forms and each other.

use crate::score::fixtures::{Record, relative_error, values};
use crate::score::flow::{gaussian, mixture};
use crate::score::statistics::noise;
use candle_core::{DType, Device, Result, Tensor};
use recon::score::{
    Autograd, BitsPerDimension, Differentiable, DormandPrince, FlowLikelihood, Gaussian, LikelihoodBound,
    Noise, ProbabilityFlow, Probe, ScoreModel, Sde, SubVp, Trace, Ve, Vp,
};

const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };
const VE: Ve = Ve { sigma_min: 0.01, sigma_max: 50.0 };
const BITS: BitsPerDimension = BitsPerDimension { pixels: 64, grey_step: 1.0 / 128.0 };

fn likelihood(sde: &dyn Sde, trace: Trace) -> FlowLikelihood<'_> {
    FlowLikelihood { flow: ProbabilityFlow { sde, t_end: 1e-5, solver: DormandPrince::default() }, trace }
}

/// The recorded run with its own direction: bits, latents and calls.
fn check(
    (name, grey_step): (&str, f64),
    sde: &dyn Sde,
    model: &dyn Differentiable,
    probe: Probe,
    calls: usize,
) -> Vec<f64> {
    let record = Record::fixture(name);
    let mut epsilon = Noise::recorded([record.get("epsilon").clone()]);
    let found = likelihood(sde, Trace::Hutchinson { probe, count: 1 })
        .evaluate(model, record.get("x"), &mut epsilon)
        .unwrap();
    let convention = BitsPerDimension { pixels: 64, grey_step };
    let bits: Vec<f64> = found.nats.iter().map(|nats| convention.bits(*nats)).collect();
    for (ours, theirs) in bits.iter().zip(record.values("bpd")) {
        println!("{name}: {ours} bits instead of {theirs}");
        assert!((ours - theirs).abs() < 3e-4, "{name}: {ours} is not {theirs}");
    }
    assert!(relative_error(&found.z, record.get("z")) < 1e-4);
    assert_eq!(found.calls, calls);
    assert!(found.standard_error.is_none());
    bits
}

#[test]
fn published_likelihoods_are_met_call_by_call() {
    let name = "likelihood_ve_gauss_gaussian_eps";
    let record = Record::fixture(name);
    let bits = check((name, 1.0 / 256.0), &VE, &gaussian(&record), Probe::Gaussian, 116);
    for (ours, exact) in bits.iter().zip(record.values("bpd_exact_ode")) {
        assert!((ours - exact).abs() < 3e-4);
    }
    let name = "likelihood_vp_gauss_rademacher";
    let record = Record::fixture(name);
    let bits = check((name, 1.0 / 128.0), &VP, &gaussian(&record), Probe::Rademacher, 62);
    for (ours, exact) in bits.iter().zip(record.values("bpd_exact_ode")) {
        assert!((ours - exact).abs() < 3e-4);
    }
    let name = "likelihood_subvp_mix_rademacher";
    let record = Record::fixture(name);
    check((name, 1.0 / 128.0), &SubVp(VP), &mixture(&record), Probe::Rademacher, 98);
}

/// With the exact trace the flow gives the density of the diffused data law.
#[test]
fn the_exact_trace_gives_the_density_in_closed_form() {
    let record = Record::fixture("likelihood_subvp_mix_rademacher");
    let model = mixture(&record);
    let x = record.get("x");
    let t_end = 1e-5;
    for (sde, label) in [(&VP as &dyn Sde, "VP"), (&SubVp(VP), "sub-VP")] {
        let found = likelihood(sde, Trace::Exact).evaluate(&model, x, &mut Noise::recorded([])).unwrap();
        for (nats, exact) in found.nats.iter().zip(density(&model, sde, x, t_end)) {
            let off = BITS.bits(*nats) - BITS.bits(exact);
            println!("{label}: off by {off:.1e} bits");
            assert!(off.abs() < 1e-3, "{label}: {off}");
        }
    }
    let recorded = record.values("logp_eps_exact");
    for (ours, exact) in density(&model, &SubVp(VP), x, t_end).iter().zip(recorded) {
        assert!((ours - exact).abs() < 1e-3, "the closed form itself: {ours} is not {exact}");
    }
}

/// `log pₜ(x)` of the process at `t`: the model knows `x/m`, whose density is `m^D` times as large.
fn density(model: &recon::score::GaussianMixture, sde: &dyn Sde, x: &Tensor, t: f64) -> Vec<f64> {
    let mean = sde.marginal(t).mean;
    let inner = model.log_density(&(x / mean).unwrap(), sde.noise_level(t)).unwrap();
    inner.iter().map(|nats| nats - 64.0 * mean.ln()).collect()
}

/// Several directions: the mean is within the error that their spread announces, and their error shrinks.
#[test]
fn random_directions_agree_with_the_exact_trace_within_their_error() {
    let record = Record::fixture("likelihood_subvp_mix_rademacher");
    let (model, x) = (mixture(&record), record.get("x"));
    let exact = likelihood(&VP, Trace::Exact).evaluate(&model, x, &mut Noise::recorded([])).unwrap();
    for probe in [Probe::Rademacher, Probe::Gaussian] {
        let trace = Trace::Hutchinson { probe, count: 24 };
        let found = likelihood(&VP, trace).evaluate(&model, x, &mut noise(3, (8, 8))).unwrap();
        for (i, error) in found.standard_error.unwrap().into_iter().enumerate() {
            let off = found.nats[i] - exact.nats[i];
            println!("{probe:?}: off by {off:.3}, error {error:.3} nats");
            assert!(off.abs() < 4.0 * error + 0.02 && error < 8.0, "{probe:?}: {off} ± {error}");
        }
    }
}

/// For an exact score the bound is the likelihood itself, but for the distance of the process from its prior
/// and the noise of `t_end`.
#[test]
fn the_bound_is_tight_for_an_exact_score() {
    let record = Record::fixture("likelihood_subvp_mix_rademacher");
    let (model, x) = (mixture(&record), record.get("x"));
    for (sde, t_end) in [(&VP as &dyn Sde, 1e-5), (&SubVp(VP), 1e-3)] {
        let bound = LikelihoodBound { sde, t_end, times: 2000 };
        let found = bound.evaluate(&model, x, &mut noise(3, (8, 8))).unwrap();
        assert_eq!(found.calls, 4002);
        let exact = model.log_density(x, 0.0).unwrap();
        for (i, exact) in exact.iter().enumerate() {
            let (off, error) = (BITS.spread(found.nats[i] + exact), BITS.spread(found.standard_error[i]));
            println!("bound above the likelihood by {off:.4} bits, error {error:.4}");
            assert!(off.abs() < 3.0 * error + 0.005 && error < 0.02, "{off} ± {error}");
        }
    }
}

/// A wrong score makes the bound larger: by how much is known for a Gaussian with a wrong mean.
#[test]
fn a_wrong_score_raises_the_bound() {
    let record = Record::fixture("likelihood_vp_gauss_rademacher");
    let (model, x) = (gaussian(&record), record.get("x"));
    let wrong = Gaussian { mean: (&model.mean + 0.1).unwrap(), variance: model.variance };
    let of = |model: &Gaussian| {
        let bound = LikelihoodBound { sde: &VP, t_end: 1e-5, times: 400 };
        bound.evaluate(model, x, &mut noise(3, (8, 8))).unwrap()
    };
    let (right, wrong_bound) = (of(&model), of(&wrong));
    let densities = model.log_density(x, 0.0).unwrap().into_iter().zip(wrong.log_density(x, 0.0).unwrap());
    for (i, (right_density, wrong_density)) in densities.enumerate() {
        let (rise, exact) = (wrong_bound.nats[i] - right.nats[i], right_density - wrong_density);
        println!("bound rises by {rise:.3}, the likelihood falls by {exact:.3} nats");
        assert!((rise - exact).abs() < 0.05 * exact.abs() + 1.0);
    }
}

/// A Gaussian whose score is computed by tensor operations only, so that it can be differentiated.
struct Plain(Gaussian);

impl ScoreModel for Plain {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.0.score(x, std)
    }
}

#[test]
fn reverse_accumulation_agrees_with_the_closed_jacobian() {
    let record = Record::fixture("likelihood_vp_gauss_rademacher");
    let model = gaussian(&record);
    let (x, v) = (record.get("x"), record.get("epsilon"));
    let (score, slopes) = model.score_and_slopes(x, 0.3, &[v.clone(), x.clone()]).unwrap();
    let (same, gradients) = Autograd(Plain(model)).score_and_slopes(x, 0.3, &[v.clone(), x.clone()]).unwrap();
    assert!(relative_error(&same, &score) < 1e-6);
    for (gradient, slope) in gradients.iter().zip(&slopes) {
        assert!(relative_error(gradient, slope) < 1e-6);
    }
}

/// The mixture's Jacobian against central differences, in double precision.
#[test]
fn the_jacobian_of_a_mixture_is_its_derivative() {
    let record = Record::fixture("likelihood_subvp_mix_rademacher");
    let mut model = mixture(&record);
    for component in &mut model.components {
        component.mean = component.mean.to_dtype(DType::F64).unwrap().unsqueeze(0).unwrap();
    }
    let x = record.get("x").to_dtype(DType::F64).unwrap();
    let v = record.get("epsilon").to_dtype(DType::F64).unwrap();
    let score = |h: f64| model.score(&(&x + (&v * h).unwrap()).unwrap(), 0.8).unwrap();
    let difference = ((score(1e-5) - score(-1e-5)).unwrap() / 2e-5).unwrap();
    let slopes = model.score_and_slopes(&x, 0.8, std::slice::from_ref(&v)).unwrap().1;
    assert!(relative_error(&slopes[0], &difference) < 1e-7);
}

#[test]
fn a_score_without_gradient_is_refused() {
    struct Opaque;
    impl ScoreModel for Opaque {
        fn score(&self, x: &Tensor, _std: f64) -> Result<Tensor> {
            Tensor::from_vec(values(x), x.shape(), &Device::Cpu)
        }
    }
    let x = Tensor::ones((1, 1, 2, 2), DType::F64, &Device::Cpu).unwrap();
    assert!(Autograd(Opaque).score_and_slopes(&x, 1.0, std::slice::from_ref(&x)).is_err());
}
