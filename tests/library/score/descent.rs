//! Solvers over noise levels: order of convergence, and laws.

use crate::score::fixtures::{relative_error, values};
use crate::score::statistics::{Moments, noise};
use candle_core::{DType, Device, Tensor};
use recon::score::{
    Churn, Counted, Descent, DormandPrince, Gaussian, GaussianMixture, LevelMethod, ProbabilityFlow,
    Schedule, ScoreModel, Unconditional, Ve,
};

fn image(value: impl Fn(f64) -> f64) -> Tensor {
    let values: Vec<f64> = (0..16).map(|i| value(f64::from(i))).collect();
    Tensor::from_vec(values, (1, 1, 4, 4), &Device::Cpu).unwrap()
}

fn gaussian() -> Gaussian {
    Gaussian { mean: image(|i| (0.7 * i).sin()), variance: 0.3 }
}

fn mixture() -> GaussianMixture {
    let other = Gaussian { mean: image(|i| 0.5 - (0.4 * i).cos()), variance: 0.1 };
    GaussianMixture { components: vec![gaussian(), other], weights: vec![0.4, 0.6] }
}

const RANGE: (f64, f64) = (0.05, 3.0);

fn start() -> Tensor {
    image(|i| 3.0 * (1.3 * i + 0.2).cos())
}

/// The end of the deterministic way through `steps` steps, geometric or as Karras et al. space them.
fn end(method: LevelMethod, model: &dyn ScoreModel, steps: usize, rho: Option<f64>) -> Tensor {
    let (sigma_min, sigma_max) = RANGE;
    let schedule = match rho {
        Some(rho) => Schedule::Karras { sigma_min, sigma_max, rho },
        None => Schedule::Geometric { sigma_min, sigma_max },
    };
    let descent = Descent { levels: schedule.levels(steps + 1), method };
    descent.descend(start(), model, &mut Unconditional, &mut noise(1, (4, 4)), &mut |_| Ok(())).unwrap()
}

/// The closed form of the way for a Gaussian.
fn exact(model: &Gaussian) -> Tensor {
    let factor = ((model.variance + RANGE.0.powi(2)) / (model.variance + RANGE.1.powi(2))).sqrt();
    (&model.mean + ((start() - &model.mean).unwrap() * factor).unwrap()).unwrap()
}

/// The same way by another solver: adaptive, in the time of a VE process.
fn adaptive(model: &dyn ScoreModel) -> Tensor {
    let sde = Ve { sigma_min: RANGE.0, sigma_max: RANGE.1 };
    let solver = DormandPrince { rtol: 1e-10, atol: 1e-10, max_steps: 10_000 };
    ProbabilityFlow { sde: &sde, t_end: 0.0, solver }.decode(model, &start()).unwrap().x
}

fn observed_order(method: LevelMethod, model: &dyn ScoreModel, truth: &Tensor, rho: Option<f64>) -> f64 {
    let error = |steps| relative_error(&end(method, model, steps, rho), truth);
    let (coarse, fine) = (error(40), error(80));
    println!("{method:?}: {coarse:.2e}, {fine:.2e}");
    (coarse / fine).log2()
}

#[test]
fn two_solvers_agree_on_the_way_of_a_gaussian() {
    assert!(relative_error(&adaptive(&gaussian()), &exact(&gaussian())) < 1e-8);
}

#[test]
fn orders_of_convergence() {
    let (gaussian, mixture) = (gaussian(), mixture());
    let models: [(&dyn ScoreModel, Tensor); 2] =
        [(&gaussian, exact(&gaussian)), (&mixture, adaptive(&mixture))];
    for (method, order) in
        [(LevelMethod::Euler, 1.0), (LevelMethod::Heun(None), 2.0), (LevelMethod::DpmPlusPlus, 2.0)]
    {
        for (model, truth) in &models {
            for rho in [None, Some(7.0)] {
                let observed = observed_order(method, *model, truth, rho);
                assert!((observed - order).abs() < 0.25, "{method:?} {rho:?}: {observed}");
            }
        }
    }
}

#[test]
fn calls_are_as_stated() {
    let levels = [4.0, 2.0, 1.0, 0.5, 0.0];
    for (method, calls) in
        [(LevelMethod::Euler, 4), (LevelMethod::Heun(None), 7), (LevelMethod::DpmPlusPlus, 4)]
    {
        let model = Counted::new(gaussian());
        let descent = Descent { levels: levels.to_vec(), method };
        descent.descend(start(), &model, &mut Unconditional, &mut noise(1, (4, 4)), &mut |_| Ok(())).unwrap();
        assert_eq!(model.calls(), calls, "{method:?}");
    }
}

#[test]
fn ladders_that_do_not_fall_are_refused() {
    for levels in [vec![], vec![1.0], vec![1.0, 1.0], vec![1.0, 2.0], vec![1.0, -1.0], vec![f64::NAN, 0.0]] {
        let descent = Descent { levels: levels.clone(), method: LevelMethod::Euler };
        let run =
            descent.descend(start(), &gaussian(), &mut Unconditional, &mut noise(1, (4, 4)), &mut |_| Ok(()));
        assert!(run.is_err(), "{levels:?}");
    }
}

/// With fresh noise Heun's method still draws the law: 60 steps, 8192 pixels.
#[test]
fn churned_samples_have_the_law_of_the_data() {
    let mean = Tensor::full(0.4, (1, 1, 32, 32), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
    let model = Gaussian { mean, variance: 0.09 };
    let schedule = Schedule::Karras { sigma_min: 0.01, sigma_max: 20.0, rho: 7.0 };
    let mut levels = schedule.levels(60);
    levels.push(0.0);
    let churn = Churn { amount: 20.0, sigma_min: 0.02, sigma_max: 10.0, inflation: 1.0 };
    let descent = Descent { levels, method: LevelMethod::Heun(Some(churn)) };
    let x = descent.sample(&model, &mut Unconditional, &mut noise(8, (32, 32)), &mut |_| Ok(())).unwrap();
    Moments::of(&values(&x)).assert_law("Heun with churn", (0.4, 0.3), 4.0);
}
