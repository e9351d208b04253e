//! Correctors at one time against the law of that time.

use crate::score::fixtures::values;
use crate::score::statistics::{Moments, noise};
use candle_core::{Device, Tensor};
use recon::score::{
    Acceptance, AnnealedLangevin, Corrector, Gaussian, GaussianMixture, Hamiltonian, Moment, ScoreModel,
    UnderdampedLangevin, Ve, Vp,
};

/// Noise level 0.6 at time 1.
const VE: Ve = Ve { sigma_min: 0.01, sigma_max: 0.6 };

fn constant(value: f64) -> Tensor {
    Tensor::full(value as f32, (1, 1, 2, 2), &Device::Cpu).unwrap()
}

fn gaussian() -> Gaussian {
    Gaussian { mean: constant(0.4), variance: 0.09 }
}

/// Two components 2.0 apart, of variance `0.05 + 0.36` at level 0.6: 3.1 standard deviations.
fn mixture() -> GaussianMixture {
    let component = |mean| Gaussian { mean: constant(mean), variance: 0.05 };
    GaussianMixture { components: vec![component(0.5), component(-0.5)], weights: vec![0.3, 0.7] }
}

/// All pixels of 8192 images after one call, from the prior of the process at `t = 1`.
fn corrected(corrector: Corrector, model: &dyn ScoreModel, at: &Moment<'_>) -> Vec<f64> {
    let mut noise = noise(8192, (2, 2));
    let start = at.sde.sample_prior(&mut noise).unwrap();
    values(&corrector.update().update(&start, at, model, &mut noise).unwrap().0)
}

/// Two leapfrogs of 0.48 at a standard deviation of 0.67 are a quarter of a period, which mixes best; near half a
/// period a trajectory would end at the mirror image of its start.
fn hamiltonian(step: f64, acceptance: Acceptance) -> Corrector {
    Corrector::Hamiltonian(Hamiltonian { step, leapfrogs: 2, moves: 30, acceptance })
}

/// Mean and standard deviation of a Gaussian's pixels at time 1.
fn law_of_gaussian() -> (f64, f64) {
    (0.4, (0.09f64 + 0.36).sqrt())
}

#[test]
fn exact_correctors_draw_a_gaussian() {
    let at = Moment { sde: &VE, t: 1.0, steps: 100 };
    let underdamped = UnderdampedLangevin { step: 0.8, friction: 1.0, moves: 40 };
    let drawn = corrected(Corrector::Underdamped(underdamped), &gaussian(), &at);
    Moments::of(&drawn).assert_law("underdamped", law_of_gaussian(), 4.0);
    let drawn = corrected(hamiltonian(0.8, Acceptance::AlongPath), &gaussian(), &at);
    Moments::of(&drawn).assert_law("Hamiltonian", law_of_gaussian(), 4.0);
}

/// The leapfrog's own energy makes the variance `1/(1 − h²/4v)` too large, see [`Acceptance::All`].
#[test]
fn the_bias_without_metropolis_is_the_stated_one() {
    let at = Moment { sde: &VE, t: 1.0, steps: 100 };
    let (mean, std) = law_of_gaussian();
    let h: f64 = 0.8 * 0.6;
    let biased = std / (1.0 - h * h / (4.0 * std * std)).sqrt();
    let drawn = corrected(hamiltonian(0.8, Acceptance::All), &gaussian(), &at);
    Moments::of(&drawn).assert_law("leapfrog alone", (mean, biased), 4.0);
    assert!(biased / std > 1.06);
}

/// Pixels of one image depend on each other through the component, so the standard errors are those of images:
/// 8192 of them, twice those of 32768 pixels.
#[test]
fn exact_correctors_draw_a_mixture() {
    let at = Moment { sde: &VE, t: 1.0, steps: 100 };
    let law = (-0.2, (0.05f64 + 0.36 + 0.25 - 0.04).sqrt());
    let underdamped = UnderdampedLangevin { step: 0.4, friction: 0.5, moves: 120 };
    let drawn = corrected(Corrector::Underdamped(underdamped), &mixture(), &at);
    Moments::of(&drawn).assert_law("underdamped", law, 8.0);
    let drawn = corrected(hamiltonian(0.6, Acceptance::AlongPath), &mixture(), &at);
    Moments::of(&drawn).assert_law("Hamiltonian", law, 8.0);
}

/// Unadjusted Langevin dynamics with step ε has the variance `v/(1 − ε/2v)`.
#[test]
fn annealed_langevin_has_the_bias_of_its_step() {
    let at = Moment { sde: &VE, t: 1.0, steps: 100 };
    let (mean, std) = law_of_gaussian();
    let size = 2.0 * (0.3f64 * 0.6).powi(2);
    let biased = std / (1.0 - size / (2.0 * std * std)).sqrt();
    let drawn = corrected(Corrector::Annealed(AnnealedLangevin { snr: 0.3, moves: 80 }), &gaussian(), &at);
    Moments::of(&drawn).assert_law("annealed Langevin", (mean, biased), 4.0);
}

/// Step sizes follow `s(t)`, scores the process: the same settings serve VP in the middle of its way.
#[test]
fn correctors_serve_variance_preserving_processes() {
    let sde = Vp { beta_min: 0.1, beta_max: 20.0 };
    let at = Moment { sde: &sde, t: 0.3, steps: 100 };
    let marginal = at.marginal();
    let law = (0.4 * marginal.mean, (0.09 * marginal.mean.powi(2) + marginal.std.powi(2)).sqrt());
    let underdamped = UnderdampedLangevin { step: 0.8, friction: 1.0, moves: 40 };
    let drawn = corrected(Corrector::Underdamped(underdamped), &gaussian(), &at);
    Moments::of(&drawn).assert_law("underdamped", law, 4.0);
    let drawn = corrected(hamiltonian(0.8, Acceptance::AlongPath), &gaussian(), &at);
    Moments::of(&drawn).assert_law("Hamiltonian", law, 4.0);
}

/// Steps far beyond stability are rejected instead of leaving the numbers.
#[test]
fn metropolis_keeps_the_state_when_trajectories_explode() {
    let at = Moment { sde: &VE, t: 1.0, steps: 100 };
    let wild = Hamiltonian { step: 50.0, leapfrogs: 40, moves: 3, acceptance: Acceptance::AlongPath };
    let kept = corrected(Corrector::Hamiltonian(wild), &gaussian(), &at);
    let start = corrected(Corrector::None, &gaussian(), &at);
    assert_eq!(kept, start);
}

/// An image's result does not depend on its neighbours.
#[test]
fn correctors_treat_every_image_by_itself() {
    let at = Moment { sde: &VE, t: 1.0, steps: 100 };
    let underdamped = UnderdampedLangevin { step: 0.4, friction: 0.5, moves: 5 };
    for corrector in [Corrector::Underdamped(underdamped), hamiltonian(0.9, Acceptance::AlongPath)] {
        let run = |images| {
            let mut noise = noise(images, (2, 2));
            let start = at.sde.sample_prior(&mut noise).unwrap();
            values(&corrector.update().update(&start, &at, &mixture(), &mut noise).unwrap().0)
        };
        assert_eq!(run(1), run(3)[..4]);
    }
}
