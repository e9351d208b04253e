//! Complete runs of the published predictor-corrector sampler, state by state, with their noise.

use crate::score::fixtures::{Record, relative_error};
use candle_core::{Result, Tensor};
use recon::score::{
    Ancestral, AnnealedLangevin, Coupling, EulerMaruyama, Gaussian, GaussianMixture, Langevin, Moment,
    NoUpdate, Noise, ReverseDiffusion, ReverseProcess, ScoreModel, Sde, SubVp, Unconditional, Update, Ve, Vp,
};
use std::sync::{Arc, Mutex};

/// States and means after every update, in order.
type Log = Arc<Mutex<Vec<(Tensor, Tensor)>>>;

/// Writes down what an update does.
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

fn gaussian(record: &Record) -> Gaussian {
    Gaussian { mean: record.get("mu").clone(), variance: 0.04 }
}

fn mixture(record: &Record) -> GaussianMixture {
    let component = |k: usize, variance| Gaussian { mean: record.get(&format!("mu{k}")).clone(), variance };
    GaussianMixture {
        components: vec![component(0, 0.05), component(1, 0.1), component(2, 0.02)],
        weights: vec![0.5, 0.3, 0.2],
    }
}

/// Runs a sampler on a record's noise and compares every state and mean, and the result.
fn check<S: Sde>(
    record: &Record,
    sde: S,
    model: &dyn ScoreModel,
    (predictor, corrector): (impl Update + 'static, impl Update + 'static),
    (steps, t_end): (usize, f64),
) {
    let log = Log::default();
    let sampler = ReverseProcess {
        sde,
        predictor: Box::new(Logged(predictor, log.clone())),
        corrector: Box::new(Logged(corrector, log.clone())),
        steps,
        t_end,
    };
    let mut draws = vec![record.get("prior_unit_noise").clone()];
    draws.extend(record.entries("noise"));
    let mut noise = Noise::recorded(draws);
    sampler.sample(model, &mut Unconditional, &mut noise, &mut |_| Ok(())).unwrap();
    assert!(noise.draw().is_err(), "all recorded noise is used");
    let log = log.lock().unwrap();
    let (states, means) = (record.entries("states"), record.entries("means"));
    assert_eq!(log.len(), states.len());
    let mut worst: f64 = 0.0;
    for (i, (x, mean)) in log.iter().enumerate() {
        let error = relative_error(x, &states[i]).max(relative_error(mean, &means[i]));
        assert!(error < 1e-5, "update {i}: {error:e}");
        worst = worst.max(error);
    }
    let error = relative_error(&log.last().unwrap().1, record.get("result"));
    assert!(error < 1e-5, "result: {error:e}");
    println!("largest relative error {:e}", worst.max(error));
}

fn batch_langevin(snr: f64, moves: usize) -> Langevin {
    Langevin { snr, moves, coupling: Coupling::Batch }
}

const VP: Vp = Vp { beta_min: 0.1, beta_max: 20.0 };

#[test]
fn ve_reverse_diffusion_with_langevin() {
    let record = Record::fixture("ve_rd_langevin_gauss");
    let sde = Ve { sigma_min: 0.01, sigma_max: 50.0 };
    let moves = (ReverseDiffusion, batch_langevin(0.16, 1));
    check(&record, sde, &gaussian(&record), moves, (12, 1e-5));
}

#[test]
fn ve_ancestral_with_annealed_langevin() {
    let record = Record::fixture("ve_ancestral_ald_mix");
    let sde = Ve { sigma_min: 0.01, sigma_max: 20.0 };
    let moves = (Ancestral, AnnealedLangevin { snr: 0.2, moves: 2 });
    check(&record, sde, &mixture(&record), moves, (10, 1e-5));
}

#[test]
fn ve_langevin_alone() {
    let record = Record::fixture("ve_none_langevin_mix");
    let sde = Ve { sigma_min: 0.01, sigma_max: 5.0 };
    let moves = (NoUpdate, batch_langevin(0.16, 2));
    check(&record, sde, &mixture(&record), moves, (6, 1e-5));
}

#[test]
fn vp_euler_maruyama() {
    let record = Record::fixture("vp_em_none_mix");
    check(&record, VP, &mixture(&record), (EulerMaruyama, NoUpdate), (20, 1e-3));
}

#[test]
fn vp_ancestral_with_langevin() {
    let record = Record::fixture("vp_ancestral_langevin_gauss");
    let moves = (Ancestral, batch_langevin(0.1, 1));
    check(&record, VP, &gaussian(&record), moves, (50, 1e-3));
}

#[test]
fn sub_vp_reverse_diffusion() {
    let record = Record::fixture("subvp_rd_none_gauss");
    check(&record, SubVp(VP), &gaussian(&record), (ReverseDiffusion, NoUpdate), (20, 1e-3));
}

#[test]
fn sub_vp_has_no_ancestral_step() {
    let record = Record::fixture("subvp_rd_none_gauss");
    let at = Moment { sde: &SubVp(VP), t: 0.5, steps: 20 };
    let mut noise = Noise::recorded([record.get("prior_unit_noise").clone()]);
    assert!(Ancestral.update(record.get("x_init"), &at, &gaussian(&record), &mut noise).is_err());
}
