//! Objectives of score matching: plug-in means over recorded draws, expectations, and closed forms.

use crate::score::fixtures::{Record, values};
use crate::score::second_order::{images, mixture};
use candle_core::{DType, Device, Result, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use recon::score::{Differentiable, Linearised, NormalMixture, ScoreModel};
use recon::train::Neighbourhood;
use recon::train::matching::{Sliced, denoising, denoising_controlled, explicit, implicit};
use serde_json::Value;

const LEVELS: [f64; 3] = [0.2, 0.5, 1.0];

fn numbers() -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/score/second_order_objectives.json");
    serde_json::from_str(&std::fs::read_to_string(folder).unwrap()).unwrap()
}

/// `s(x) = A x + b`
struct Linear {
    matrix: Tensor,
    offset: Tensor,
}

impl ScoreModel for Linear {
    fn score(&self, x: &Tensor, _std: f64) -> Result<Tensor> {
        let rows = x.reshape((x.dim(0)?, ()))?.matmul(&self.matrix.t()?)?;
        rows.broadcast_add(&self.offset)?.reshape(x.shape())
    }
}

impl Differentiable for Linear {
    fn linearise(&self, x: &Tensor, std: f64) -> Result<Linearised> {
        let matrix = self.matrix.clone();
        let slope = move |v: &Tensor| v.reshape((v.dim(0)?, ()))?.matmul(&matrix)?.reshape(v.shape());
        Ok(Linearised::new(self.score(x, std)?, slope))
    }
}

/// The four models of the record, by name.
fn models(record: &Record) -> Vec<(&'static str, Box<dyn Differentiable>)> {
    let (matrix, offset) = (record.get("linear_A").clone(), record.get("linear_b").clone());
    let zero = Linear { matrix: matrix.zeros_like().unwrap(), offset: offset.zeros_like().unwrap() };
    vec![
        ("exact", Box::new(mixture(record, ""))),
        ("mixture", Box::new(mixture(record, "model_"))),
        ("linear", Box::new(Linear { matrix, offset })),
        ("zero", Box::new(zero)),
    ]
}

fn mean(x: &Tensor) -> f64 {
    let all = values(x);
    all.iter().sum::<f64>() / all.len() as f64
}

fn assert_near(found: f64, expected: &Value, tolerance: f64, label: &str) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() < tolerance * expected.abs().max(1.0),
        "{label}: {found} is not {expected}"
    );
}

#[test]
fn means_over_recorded_draws() {
    let record = Record::fixture("second_order_objectives");
    let numbers = numbers();
    let [x, z, v] = ["x", "z", "v"].map(|name| images(record.get(name)));
    for (name, model) in models(&record) {
        let expected = &numbers["finite_sample"][name];
        let near =
            |found: f64, what: &str| assert_near(found, &expected[what], 1e-9, &format!("{name} {what}"));
        near(mean(&implicit(&*model, &x, 0.0).unwrap()), "ISM");
        near(mean(&Sliced::Projected.evaluate(&*model, &x, 0.0, &v).unwrap()), "SSM");
        near(mean(&Sliced::ReducedVariance.evaluate(&*model, &x, 0.0, &v).unwrap()), "SSM_VR");
        for std in LEVELS {
            let noisy = (&x + (&z * std).unwrap()).unwrap();
            let found = denoising(&model.score(&noisy, 0.0).unwrap(), &z, std).unwrap();
            near(mean(&found), &format!("DSM_sigma{std:?}"));
        }
        // The form that trains networks, off by the square of its step.
        let score = |x: &Tensor| model.score(x, 0.0);
        let found = Sliced::ReducedVariance.differenced(&score, &x, &v, 1e-4).unwrap();
        assert_near(mean(&found), &expected["SSM_VR"], 1e-5, name);
    }
}

/// Points of a grid over the plane with the weights of a density.
struct Quadrature {
    points: Tensor,
    weights: Vec<f64>,
}

impl Quadrature {
    /// The trapezoid rule, which converges faster than any power for these.
    fn new(law: &NormalMixture, std: f64) -> Self {
        const SIDE: usize = 240;
        let at = |i: usize, (low, high): (f64, f64)| low + (high - low) * i as f64 / (SIDE - 1) as f64;
        // Nine standard deviations around all means.
        let (across, down) = ((-13.0, 13.0), (-13.0, 13.0));
        let points: Vec<f64> =
            (0..SIDE * SIDE).flat_map(|i| [at(i % SIDE, across), at(i / SIDE, down)]).collect();
        let points = Tensor::from_vec(points, (SIDE * SIDE, 1, 1, 2), &Device::Cpu).unwrap();
        let cell = (26.0 / (SIDE - 1) as f64).powi(2);
        let weights = law.log_density(&points, std).unwrap().iter().map(|log| log.exp() * cell).collect();
        Self { points, weights }
    }

    fn mean(&self, x: &Tensor) -> f64 {
        values(x).iter().zip(&self.weights).map(|(x, weight)| x * weight).sum()
    }

    fn std(&self, x: &Tensor) -> f64 {
        let centre = self.mean(x);
        values(x).iter().zip(&self.weights).map(|(x, w)| (x - centre).powi(2) * w).sum::<f64>().sqrt()
    }
}

#[test]
fn expectations_of_every_objective() {
    let record = Record::fixture("second_order_objectives");
    let numbers = numbers();
    let law = mixture(&record, "");
    let clean = Quadrature::new(&law, 0.0);
    let blurred = LEVELS.map(|std| (std, Quadrature::new(&law, std)));
    let x = &clean.points;
    let exact = law.score(x, 0.0).unwrap();
    for (name, model) in models(&record) {
        let near = |found: f64, what: &str| {
            assert_near(found, &numbers["expected"][name][what]["value"], 1e-7, &format!("{name} {what}"));
        };
        near(clean.mean(&explicit(&model.score(x, 0.0).unwrap(), &exact).unwrap()), "ESM");
        let found = implicit(&*model, x, 0.0).unwrap();
        near(clean.mean(&found), "ISM");
        near(clean.std(&found), "ISM_std");
        for (form, what) in [(Sliced::Projected, "SSM"), (Sliced::ReducedVariance, "SSM_VR")] {
            let found = Rademacher::of(form, &*model, x);
            near(clean.mean(&found.mean), &format!("{what}_rademacher_mean"));
            let spread = (clean.mean(&found.squares) - clean.mean(&found.mean).powi(2)).max(0.0).sqrt();
            near(spread, &format!("{what}_rademacher_std"));
        }
        for (std, blurred) in &blurred {
            let exact = law.score(&blurred.points, *std).unwrap();
            let found = explicit(&model.score(&blurred.points, 0.0).unwrap(), &exact).unwrap();
            near(blurred.mean(&found), &format!("DSM_sigma{std:?}_ESM_part"));
            let zero = exact.zeros_like().unwrap();
            let constant = 1.0 / (std * std) - blurred.mean(&explicit(&exact, &zero).unwrap());
            near(constant, &format!("DSM_sigma{std:?}_const"));
            near(blurred.mean(&found) + constant, &format!("DSM_sigma{std:?}"));
        }
    }
}

/// Mean and mean square over all four directions with entries of ±1.
struct Rademacher {
    mean: Tensor,
    squares: Tensor,
}

impl Rademacher {
    fn of(form: Sliced, model: &dyn Differentiable, x: &Tensor) -> Self {
        let direction = |signs: [f64; 2]| {
            Tensor::new(&[[[signs]]], &Device::Cpu).unwrap().broadcast_as(x.shape()).unwrap()
        };
        // The objective is even in the direction.
        let found = [[1.0, 1.0], [1.0, -1.0]].map(|s| form.evaluate(model, x, 0.0, &direction(s)).unwrap());
        let mean = |a: &Tensor, b: &Tensor| ((a + b).unwrap() * 0.5).unwrap();
        let [a, b] = &found;
        Self { mean: mean(a, b), squares: mean(&a.sqr().unwrap(), &b.sqr().unwrap()) }
    }
}

/// Many draws: the mean of denoising score matching within five standard errors of its expectation, with
/// and without control variate, whose scatter is smaller by the more the less noise there is.
#[test]
fn the_control_variate_keeps_the_mean_and_lowers_the_scatter() {
    let record = Record::fixture("second_order_objectives");
    let (numbers, law) = (numbers(), mixture(&record, ""));
    let count = 20_000;
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let tensor = |rows: Vec<f64>| Tensor::from_vec(rows, (count, 1, 1, 2), &Device::Cpu).unwrap();
    let x = tensor(law.sample(count, &mut rng).unwrap().into_raw_vec_and_offset().0);
    let z = tensor((0..2 * count).map(|_| rng.sample(StandardNormal)).collect());
    for (name, model) in models(&record) {
        for std in LEVELS {
            let at = |x: &Tensor| model.score(x, 0.0).unwrap();
            let noisy = at(&(&x + (&z * std).unwrap()).unwrap());
            let expected = numbers["expected"][name][format!("DSM_sigma{std:?}")]["value"].as_f64().unwrap();
            let scatter = |found: Tensor| {
                let centre = mean(&found);
                let variance = mean(&(found - centre).unwrap().sqr().unwrap());
                let error = (variance / count as f64).sqrt();
                assert!((centre - expected).abs() < 5.0 * error + 1e-9, "{name} {std}: {centre} ± {error}");
                variance.sqrt()
            };
            let plain = scatter(denoising(&noisy, &z, std).unwrap());
            let controlled = scatter(denoising_controlled(&noisy, &at(&x), &z, std).unwrap());
            println!("{name}, σ = {std}: scatter {plain:.3}, with control variate {controlled:.3}");
            if std < 0.3 {
                assert!(controlled < 0.5 * plain, "{name}: {controlled} and {plain}");
            }
        }
    }
}

#[test]
fn concrete_scores_of_a_grid_and_of_a_cycle() {
    let record = Record::fixture("second_order_objectives");
    let numbers = numbers();
    let (p, q) = (record.values("grid_p"), record.values("grid_q"));
    for (name, states) in [("grid", Neighbourhood::grid(8, 8)), ("cycle", Neighbourhood::cycle(8, 8))] {
        let expected = &numbers["concrete"][name];
        let (of_p, of_q) = (states.scores(&p), states.scores(&q));
        for (scores, recorded) in [(&of_p, "p"), (&of_q, "q")] {
            let recorded = record.values(&format!("concrete_{name}_{recorded}"));
            assert!(scores.iter().zip(&recorded).all(|(a, b)| (a - b).abs() < 1e-9), "{name}");
        }
        assert_near(states.distance(&p, &of_q), &expected["full_objective"], 1e-9, name);
        assert_near(states.objective(&p, &of_q), &expected["tractable"], 1e-9, name);
        assert_near(states.constant(&p), &expected["const"], 1e-9, name);
        assert_eq!(states.distance(&p, &of_p), 0.0);
        assert!(states.objective(&p, &of_p) < states.objective(&p, &of_q));
    }
}

/// A linear model trained by sliced score matching from draws alone reaches the least squares optimum for a
/// Gaussian.
#[test]
fn differenced_slices_train_a_model_without_noise() {
    let covariance = ndarray::array![[0.5, 0.2], [0.2, 1.0]];
    let law = NormalMixture::new(vec![(1.0, ndarray::array![0.0, 0.0], covariance)]).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let matrix = candle_core::Var::zeros((2, 2), DType::F64, &Device::Cpu).unwrap();
    let offset = Tensor::zeros(2, DType::F64, &Device::Cpu).unwrap();
    for step in 0..300 {
        let drawn = law.sample(256, &mut rng).unwrap().into_raw_vec_and_offset().0;
        let x = Tensor::from_vec(drawn, (256, 1, 1, 2), &Device::Cpu).unwrap();
        let signs: Vec<f64> = (0..512).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect();
        let v = Tensor::from_vec(signs, (256, 1, 1, 2), &Device::Cpu).unwrap();
        let model = Linear { matrix: matrix.as_tensor().clone(), offset: offset.clone() };
        let loss = Sliced::ReducedVariance.differenced(&|x| model.score(x, 0.0), &x, &v, 0.1).unwrap();
        let gradients = loss.mean_all().unwrap().backward().unwrap();
        let rate = 0.5 / (1.0 + f64::from(step) / 30.0);
        let moved = (matrix.as_tensor() - (gradients.get(&matrix).unwrap() * rate).unwrap()).unwrap();
        matrix.set(&moved.detach()).unwrap();
    }
    // −(0.5, 0.2; 0.2, 1)⁻¹, whose determinant is 0.46.
    let exact = [-1.0 / 0.46, 0.2 / 0.46, 0.2 / 0.46, -0.5 / 0.46];
    let found = values(matrix.as_tensor());
    println!("{found:.3?} instead of {exact:.3?}");
    assert!(found.iter().zip(exact).all(|(a, b)| (a - b).abs() < 0.1), "{found:?}");
}
