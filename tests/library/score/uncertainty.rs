//! Covariances of clean images given noisy ones and measurements, against dense matrices.

use crate::score::fixtures::{relative_error, values};
use crate::score::posteriors::measure;
use crate::score::statistics::{Moments, noise};
use crate::score::transforms::Dft;
use candle_core::{DType, Device, Result, Tensor};
use ndarray::{Array1, Array2};
use num_complex::Complex64;
use recon::models::{ModelSource, open};
use recon::score::{
    Autograd, Bridged, Conditional, Covariance, Gaussian, Noise, NormalMixture, Probe, Probing, ScoreModel,
    TweedieCovariance,
};
use recon_operators::{
    DataNoise, Filter, LinearOperator, Mask, ParallelBeam, PhasedFourier, Problem, Radon, Transform,
};

const SIDE: usize = 6;
const PIXELS: usize = SIDE * SIDE;
const STD: f64 = 0.4;

/// Covariances that fade with the distance of pixels, `variance · e^{−r/reach}`.
fn fading(variance: f64, reach: f64) -> Array2<f64> {
    let place = |i: usize| ((i / SIDE) as f64, (i % SIDE) as f64);
    Array2::from_shape_fn((PIXELS, PIXELS), |(i, j)| {
        let (a, b) = (place(i), place(j));
        variance * (-(a.0 - b.0).hypot(a.1 - b.1) / reach).exp()
    })
}

fn wave(phase: f64) -> Array1<f64> {
    Array1::from_shape_fn(PIXELS, |i| {
        0.5 + 0.3 * (0.7 * (i / SIDE) as f64 - 0.4 * (i % SIDE) as f64 + phase).sin()
    })
}

fn gaussian() -> NormalMixture {
    NormalMixture::new(vec![(1.0, wave(0.0), fading(0.09, 1.5))]).unwrap()
}

fn image(values: &Array1<f64>, dtype: DType) -> Tensor {
    let x = Tensor::from_slice(values.as_slice().unwrap(), (1, 1, SIDE, SIDE), &Device::Cpu).unwrap();
    x.to_dtype(dtype).unwrap()
}

fn noisy(dtype: DType) -> Tensor {
    let z = noise(1, (SIDE, SIDE)).draw().unwrap().to_dtype(DType::F64).unwrap();
    (image(&wave(0.4), DType::F64) + (z * STD).unwrap()).unwrap().to_dtype(dtype).unwrap()
}

/// All products with unit vectors, as a matrix.
fn dense(covariance: &dyn Covariance) -> Array2<f64> {
    let unit = |i: usize| {
        image(&Array1::from_shape_fn(PIXELS, |j| f64::from(u8::from(i == j))), covariance.images().dtype())
    };
    let units: Vec<Tensor> = (0..PIXELS).map(unit).collect();
    let columns: Vec<f64> = covariance.products(&units).unwrap().iter().flat_map(values).collect();
    Array2::from_shape_vec((PIXELS, PIXELS), columns).unwrap()
}

/// By Gauss-Jordan elimination; the matrix is positive definite.
fn inverse(matrix: &Array2<f64>) -> Array2<f64> {
    let side = matrix.nrows();
    let (mut left, mut right) = (matrix.clone(), Array2::<f64>::eye(side));
    for i in 0..side {
        let pivot = left[[i, i]];
        for half in [&mut left, &mut right] {
            half.row_mut(i).mapv_inplace(|v| v / pivot);
        }
        for j in (0..side).filter(|j| *j != i) {
            let factor = left[[j, i]];
            for half in [&mut left, &mut right] {
                let row = half.row(i).to_owned();
                half.row_mut(j).scaled_add(-factor, &row);
            }
        }
    }
    right
}

fn largest(matrix: &Array2<f64>) -> f64 {
    matrix.iter().fold(0.0, |most, v| most.max(v.abs()))
}

/// Estimated diagonals agree with the exact one within their own error, and that error is what theory says.
#[test]
fn probes_scatter_as_the_covariance_says() {
    let parts = vec![(0.6, wave(0.0), fading(0.09, 0.8)), (0.4, wave(0.7), fading(0.16, 1.2))];
    let (model, x) = (NormalMixture::new(parts).unwrap(), noisy(DType::F64));
    let covariance = TweedieCovariance { model: &model, x: &x, std: STD };
    let matrix = dense(&covariance);
    let exact = covariance.diagonal(Probing::Exact, &mut Noise::recorded([])).unwrap();
    assert!(exact.standard_error.is_none());
    let off_diagonal = |i: usize, taken: &dyn Fn(usize) -> bool| -> f64 {
        (0..PIXELS).filter(|j| *j != i && taken(*j)).map(|j| matrix[[i, j]].powi(2)).sum()
    };
    let on_lattice = |i: usize, j: usize| {
        [i / SIDE, i % SIDE].iter().zip([j / SIDE, j % SIDE]).all(|(a, b)| a.abs_diff(b).is_multiple_of(2))
    };
    let count = 1600;
    let cases: [(Probing, &dyn Fn(usize) -> f64); 3] = [
        (Probing::Random { probe: Probe::Rademacher, count }, &|i| off_diagonal(i, &|_| true)),
        (Probing::Random { probe: Probe::Gaussian, count }, &|i| {
            off_diagonal(i, &|_| true) + 2.0 * matrix[[i, i]].powi(2)
        }),
        (Probing::Lattice { spacing: 2, rounds: count / 4 }, &|i| off_diagonal(i, &|j| on_lattice(i, j))),
    ];
    let mut errors = Vec::new();
    for (probing, theory) in cases {
        let found = covariance.diagonal(probing, &mut noise(1, (SIDE, SIDE))).unwrap();
        let rounds = if matches!(probing, Probing::Lattice { .. }) { count / 4 } else { count };
        let error = values(&found.standard_error.unwrap());
        let (found, exact) = (values(&found.variance), values(&exact.variance));
        let mut ratio = 0.0;
        for i in 0..PIXELS {
            assert!((exact[i] - matrix[[i, i]]).abs() < 1e-12);
            assert!((found[i] - exact[i]).abs() < 5.0 * error[i], "{probing:?}, pixel {i}");
            ratio += error[i] / (theory(i) / rounds as f64).sqrt() / PIXELS as f64;
        }
        errors.push(error.iter().sum::<f64>());
        println!("{probing:?}: errors {ratio:.3} times those of theory, sum {:.2e}", errors.last().unwrap());
        // A standard deviation from 400 rounds is known to 3.5 %; 36 pixels average it further.
        assert!((ratio - 1.0).abs() < 0.05, "{probing:?}: {ratio}");
    }
    assert!(errors[0] < 0.6 * errors[1] && errors[2] < 0.8 * errors[0], "{errors:?}");
}

/// A Gaussian whose score is tensor operations only, as a network's is.
struct Plain(Gaussian);

impl ScoreModel for Plain {
    fn score(&self, x: &Tensor, std: f64) -> Result<Tensor> {
        self.0.score(x, std)
    }
}

/// `v σ²/(v + σ²)` at every pixel of an isotropic Gaussian, through reverse accumulation and in batches.
#[test]
fn a_differentiated_network_has_the_variance_in_closed_form() {
    let mean = Tensor::full(0.4f32, (1, 1, 4, 5), &Device::Cpu).unwrap();
    let model = Autograd(Plain(Gaussian { mean, variance: 0.09 }));
    let x = noise(3, (4, 5)).draw().unwrap();
    let covariance = TweedieCovariance { model: &model, x: &x, std: STD };
    let expected = 0.09 * STD * STD / (0.09 + STD * STD);
    for probing in [Probing::Exact, Probing::Random { probe: Probe::Rademacher, count: 2 }] {
        let found = covariance.diagonal(probing, &mut noise(3, (4, 5))).unwrap();
        let truth = (x.ones_like().unwrap() * expected.sqrt()).unwrap();
        assert!(relative_error(&found.deviation().unwrap(), &truth) < 1e-5);
    }
    let none = Probing::Random { probe: Probe::Gaussian, count: 0 };
    assert!(covariance.diagonal(none, &mut noise(3, (4, 5))).is_err());
}

/// The measurement as a real matrix, and its transpose times what was measured.
fn real_matrix<T>(
    problem: &Problem<T>,
    numbers: impl Fn(&T::Data) -> Vec<Complex64>,
) -> (Array2<f64>, Array1<f64>)
where
    T: Transform<Image = Array2<f32>>,
{
    let column = |i: usize| {
        let unit = Array2::from_shape_fn((SIDE, SIDE), |(r, c)| f32::from(u8::from(r * SIDE + c == i)));
        let data = numbers(&problem.forward(&unit));
        data.iter().flat_map(|v| [v.re, v.im]).collect::<Vec<f64>>()
    };
    let columns: Vec<Vec<f64>> = (0..PIXELS).map(column).collect();
    let matrix = Array2::from_shape_fn((columns[0].len(), PIXELS), |(i, j)| columns[j][i]);
    let measured: Vec<f64> = numbers(&problem.measured).iter().flat_map(|v| [v.re, v.im]).collect();
    let seen = matrix.t().dot(&Array1::from(measured));
    (matrix, seen)
}

/// Mean and covariance given `x` and `y` for a Gaussian prior are those of dense linear algebra.
fn check<T>(problem: &Problem<T>, noise_std: f64, numbers: impl Fn(&T::Data) -> Vec<Complex64>, label: &str)
where
    T: Transform<Image = Array2<f32>>,
{
    let (model, x) = (gaussian(), noisy(DType::F32));
    let prior = TweedieCovariance { model: &model, x: &x, std: STD };
    let measured = &Bridged::new(problem, 1.0);
    let conditional = Conditional { prior, measured, iterations: 200, tolerance: 1e-7 };

    let (matrix, seen) = real_matrix(problem, numbers);
    let clean = inverse(&fading(0.09, 1.5));
    let seen_by_x = Array1::from(values(&x)) / (STD * STD);
    let precision =
        &clean + &(matrix.t().dot(&matrix) / noise_std.powi(2)) + Array2::<f64>::eye(PIXELS) / (STD * STD);
    let exact = inverse(&precision);
    let mean = exact.dot(&(clean.dot(&wave(0.0)) + seen_by_x + seen / noise_std.powi(2)));

    let before = dense(&prior);
    let found = dense(&conditional);
    let off = largest(&(&found - &exact)) / largest(&exact);
    let moved = largest(&(&before - &exact)) / largest(&exact);
    let off_mean = relative_error(&conditional.mean().unwrap(), &image(&mean, DType::F64));
    println!("{label}: covariance off by {off:.1e} (without the data {moved:.1e}), mean by {off_mean:.1e}");
    assert!(off < 2e-4 && off_mean < 2e-4 && moved > 0.1, "{label}: {off}, {off_mean}, {moved}");

    let probing = Probing::Random { probe: Probe::Rademacher, count: 60 };
    let estimated = conditional.diagonal(probing, &mut noise(1, (SIDE, SIDE))).unwrap();
    let error = values(&estimated.standard_error.unwrap());
    for (i, (found, error)) in values(&estimated.variance).into_iter().zip(error).enumerate() {
        let exact = exact[[i, i]];
        assert!(
            (found - exact).abs() < 5.0 * error + 1e-3 * exact,
            "{label}, pixel {i}: {found} is not {exact}"
        );
    }
}

#[test]
fn masked_fourier_measurements_condition_a_gaussian_exactly() {
    let complex = |data: &Array2<num_complex::Complex32>| {
        data.iter().map(|v| Complex64::new(f64::from(v.re), f64::from(v.im))).collect()
    };
    let columns: Vec<bool> = (0..SIDE).map(|j| j % 2 == 0).collect();
    let mask = Mask::columns(SIDE, &columns);
    let turn =
        |(i, j): (usize, usize)| num_complex::Complex32::from_polar(1.0, 0.3 * i as f32 - 0.2 * j as f32);
    let phased = PhasedFourier::new(SIDE, SIDE, Some(Array2::from_shape_fn((SIDE, SIDE), turn)));
    check(&measure(phased, mask.clone(), (SIDE, SIDE), 0.05), 0.05, complex, "Fourier");
    check(&measure(Dft::new(SIDE, SIDE), mask, (SIDE, SIDE), 0.2), 0.2, complex, "dense Fourier");
}

#[test]
fn few_views_condition_a_gaussian_exactly() {
    let real = |data: &Array2<f32>| data.iter().map(|v| Complex64::new(f64::from(*v), 0.0)).collect();
    let radon = Radon::new(ParallelBeam::equally_spaced(SIDE, SIDE, 1.0, 6), Filter::Ramp).unwrap();
    let detectors = radon.data_shape()[1];
    let views: Vec<bool> = (0..6).map(|view| view % 2 == 0).collect();
    check(&measure(radon, Mask::rows(&views, detectors), (SIDE, SIDE), 0.2), 0.2, real, "Radon");
}

#[test]
fn a_measurement_without_noise_and_a_batch_are_refused() {
    let (model, x) = (gaussian(), noisy(DType::F32));
    let problem = measure(PhasedFourier::new(SIDE, SIDE, None), Mask::full(PIXELS), (SIDE, SIDE), 0.0);
    let of = |x: &Tensor, noise_std: f32| {
        let prior = TweedieCovariance { model: &model, x, std: STD };
        let problem = &Problem { noise: DataNoise::white(noise_std), ..problem.clone() };
        let measured = &Bridged::new(problem, 1.0);
        Conditional { prior, measured, iterations: 10, tolerance: 1e-6 }.mean().is_err()
    };
    assert!(of(&x, 0.0));
    assert!(of(&Tensor::cat(&[&x, &x], 0).unwrap(), 0.1));
    assert!(!of(&x, 0.1));
}

/// A score that fails must not end as an answer.
#[test]
fn a_failure_within_the_solution_is_reported() {
    let problem = measure(PhasedFourier::new(SIDE, SIDE, None), Mask::full(PIXELS), (SIDE, SIDE), 0.1);
    struct Broken;
    impl ScoreModel for Broken {
        fn score(&self, x: &Tensor, _std: f64) -> Result<Tensor> {
            // No gradient.
            x.zeros_like()
        }
    }
    let (model, x) = (Autograd(Broken), noisy(DType::F32));
    let prior = TweedieCovariance { model: &model, x: &x, std: STD };
    let measured = &Bridged::new(&problem, 1.0);
    let found = Conditional { prior, measured, iterations: 10, tolerance: 1e-6 }.mean();
    assert!(found.is_err());
}

/// Side of the part of a slice that the network is given, the least it was trained on.
const CROP: usize = 96;

/// A part of the CT slice that ships with the program, in model units.
fn slice() -> Tensor {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/samples/ct_lung.dcm");
    let scan = recon_data::read(&path).unwrap();
    let image = scan.volume.slices().next().unwrap();
    let (row, col) = ((image.nrows() - CROP) / 2, (image.ncols() - CROP) / 3);
    let crop = image.slice(ndarray::s![row..row + CROP, col..col + CROP]);
    let crop = crop.mapv(|hu| (hu + 1000.0) / 2000.0);
    recon::score::bridge::to_tensor(&[crop], &Device::Cpu).unwrap()
}

/// For any denoiser `E z·(D(x) − x₀) = σ tr ∂D/∂x` (Stein), and the trace is that of Tweedie's covariance
/// over `σ²`: one side needs calls of the network only, the other its gradients. How the predicted error
/// compares with the one made is printed: it would be equal on average for an exact score, which a
/// network's is not.
#[test]
fn the_trace_of_a_real_network_is_that_of_steins_identity() {
    let model = Autograd(open(&ModelSource::Builtin(recon_data::Modality::Ct), &Device::Cpu).unwrap());
    let (clean, pixels) = (slice(), (CROP * CROP) as f64);
    for std in [0.05, 0.2] {
        let (mut by_stein, mut by_probes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut source = noise(1, (CROP, CROP));
        for _ in 0..8 {
            let z = source.draw().unwrap();
            let x = (&clean + (&z * std).unwrap()).unwrap();
            let error = (model.denoise(&x, std).unwrap() - &clean).unwrap();
            by_stein.push(values(&(&error * z).unwrap()).iter().sum::<f64>() / std);
            errors.push(values(&error).iter().map(|e| e * e).sum::<f64>() / pixels);
            let covariance = TweedieCovariance { model: &model, x: &x, std };
            let probing = Probing::Random { probe: Probe::Rademacher, count: 2 };
            let found = covariance.diagonal(probing, &mut source).unwrap();
            by_probes.push(values(&found.variance).iter().sum::<f64>() / (std * std));
        }
        let [stein, probes, error] = [by_stein, by_probes, errors].map(|all| Moments::of(&all));
        let scatter = (stein.std.powi(2) + probes.std.powi(2)).sqrt() / 8f64.sqrt();
        let (predicted, made) = (std * (probes.mean / pixels).max(0.0).sqrt(), error.mean.sqrt());
        println!("σ = {std}: trace {:.1} and by Stein {:.1}, ± {scatter:.1}", probes.mean, stein.mean);
        println!("σ = {std}: predicted error {predicted:.4}, made {made:.4}");
        assert!((stein.mean - probes.mean).abs() < 5.0 * scatter, "{} and {}", stein.mean, probes.mean);
        assert!(probes.mean > 5.0 * probes.std / 8f64.sqrt(), "{}", probes.mean);
    }
}

/// Products are with the transposed Jacobian of the network, to the accuracy of a difference; and how far
/// that is from being symmetric.
#[test]
fn products_through_a_network_are_those_of_its_transposed_jacobian() {
    let model = Autograd(open(&ModelSource::Builtin(recon_data::Modality::Ct), &Device::Cpu).unwrap());
    let (clean, mut source, std) = (slice(), noise(1, (CROP, CROP)), 0.1);
    let x = (clean + (source.draw().unwrap() * std).unwrap()).unwrap();
    let (v, w) = (source.draw().unwrap(), source.draw().unwrap());
    let covariance = TweedieCovariance { model: &model, x: &x, std };
    let products = covariance.second_order_scores(&[v.clone(), w.clone()]).unwrap();
    let step = 2e-3;
    let score = |h: f64| model.score(&(&x + (&v * h).unwrap()).unwrap(), std).unwrap();
    let moved = ((score(step) - score(-step)).unwrap() / (2.0 * step)).unwrap();
    let dot = |a: &Tensor, b: &Tensor| values(a).iter().zip(values(b)).map(|(a, b)| a * b).sum::<f64>();
    let size = (dot(&products[0], &products[0]) * dot(&w, &w)).sqrt();
    let off = (dot(&w, &moved) - dot(&products[1], &v)).abs() / size;
    let asymmetry = (dot(&w, &products[0]) - dot(&products[1], &v)).abs() / size;
    println!("off by {off:.1e}, asymmetry {asymmetry:.1e}");
    assert!(off < 3e-3 && asymmetry < 3e-2, "{off} {asymmetry}");
}
