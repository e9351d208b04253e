//! Scores of second order, and several noisy images at once, against closed forms in double precision.

use crate::score::fixtures::{Record, values};
use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2};
use recon::score::{
    Combined, Covariance, Differentiable, Noise, NormalMixture, Probing, ScoreModel, TweedieCovariance,
};

/// The tolerance that the numbers were made to.
const TOLERANCE: f64 = 1e-9;

/// The mixture of a case with the weights, means and covariances of this prefix.
pub(crate) fn mixture(record: &Record, prefix: &str) -> NormalMixture {
    let weights = record.values(&format!("{prefix}w"));
    let means = record.values(&format!("{prefix}mu"));
    let covariances = record.values(&format!("{prefix}cov"));
    let count = weights.len();
    let side = means.len() / count;
    let component = |k: usize| {
        let mean = Array1::from(means[k * side..(k + 1) * side].to_vec());
        let numbers = covariances[k * side * side..(k + 1) * side * side].to_vec();
        (weights[k], mean, Array2::from_shape_vec((side, side), numbers).unwrap())
    };
    NormalMixture::new((0..count).map(component).collect()).unwrap()
}

/// Rows of numbers as images of one row.
pub(crate) fn images(rows: &Tensor) -> Tensor {
    let (count, side) = rows.dims2().unwrap();
    rows.contiguous().unwrap().reshape((count, 1, 1, side)).unwrap()
}

fn assert_close(found: &[f64], expected: &[f64], label: &str) {
    assert_eq!(found.len(), expected.len(), "{label}");
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{label}: off by {worst:.1e}");
    assert!(worst < TOLERANCE, "{label}: off by {worst:e}");
}

fn unit(x: &Tensor, i: usize) -> Tensor {
    let side = x.elem_count() / x.dim(0).unwrap();
    let row: Vec<f64> = (0..side).map(|j| if i == j { 1.0 } else { 0.0 }).collect();
    Tensor::from_vec(row, (1, 1, 1, side), &Device::Cpu).unwrap().broadcast_as(x.shape()).unwrap()
}

/// Entry `[image, row, col]` of an array at row `i`, for all images.
fn row_of(all: &Tensor, i: usize) -> Vec<f64> {
    values(&all.narrow(1, i, 1).unwrap().contiguous().unwrap())
}

#[test]
fn tweedie_gives_the_posterior_mean_and_covariance() {
    let record = Record::fixture("second_order_tweedie");
    for (case, std) in [("c0.", 0.5), ("c1.", 0.2), ("c2.", 1.0)] {
        let model = mixture(&record, case);
        let get = |name: &str| record.values(&format!("{case}{name}"));
        let x = images(record.get(&format!("{case}y")));
        assert_close(&model.log_density(&x, std).unwrap(), &get("logp"), "log density");
        assert_close(&values(&model.score(&x, std).unwrap()), &get("s1"), "first order");
        assert_close(&values(&model.denoise(&x, std).unwrap()), &get("post_mean"), "posterior mean");

        let covariance = TweedieCovariance { model: &model, x: &x, std };
        let units: Vec<Tensor> = (0..x.dim(3).unwrap()).map(|i| unit(&x, i)).collect();
        let second = covariance.second_order_scores(&units).unwrap();
        let products = covariance.products(&units).unwrap();
        for (i, (second, product)) in second.iter().zip(&products).enumerate() {
            let expected = row_of(record.get(&format!("{case}s2")), i);
            assert_close(&values(second), &expected, "second order");
            let expected = row_of(record.get(&format!("{case}post_cov")), i);
            assert_close(&values(product), &expected, "posterior covariance");
        }
        let diagonal = covariance.diagonal(Probing::Exact, &mut Noise::recorded([])).unwrap();
        let sums = |x: &Tensor| values(&x.flatten_from(1).unwrap().sum(1).unwrap());
        let traces = get("trace_s2")
            .into_iter()
            .map(|trace| std.powi(4) * trace + std * std * x.dim(3).unwrap() as f64);
        assert_close(&sums(&diagonal.variance), &traces.collect::<Vec<_>>(), "trace");
    }
}

#[test]
fn several_noisy_images_are_one_at_a_lower_noise_level() {
    let record = Record::fixture("second_order_multimeasurement");
    for case in ["c0.", "c1.", "c2.", "c3.", "c4."] {
        let model = mixture(&record, case);
        let get = |name: &str| record.values(&format!("{case}{name}"));
        let all = record.get(&format!("{case}Y"));
        let of = |m: usize| images(&all.narrow(1, m, 1).unwrap().squeeze(1).unwrap());
        let noisy: Vec<_> = get("sigma").into_iter().enumerate().map(|(m, std)| (of(m), std)).collect();
        let combined = Combined::new(&noisy).unwrap();
        assert_close(&values(&combined.image), &get("ybar"), "weighted mean");
        let score = model.score(&combined.image, combined.std).unwrap();
        assert_close(&values(&score), &get("score_at_ybar"), "its score");
        assert_close(&values(&combined.denoise(&model).unwrap()), &get("xhat"), "Bayes estimator");
        for (m, score) in combined.scores(&model, &noisy).unwrap().iter().enumerate() {
            let expected = row_of(record.get(&format!("{case}score_joint")), m);
            assert_close(&values(score), &expected, "joint score");
        }
        let density = model.log_density(&combined.image, combined.std).unwrap();
        let joint: Vec<f64> = density.iter().zip(&combined.log_factor).map(|(a, b)| a + b).collect();
        assert_close(&joint, &get("logp_joint"), "joint density");
    }
    assert!(Combined::new(&[]).is_err());
}

#[test]
fn images_of_another_size_are_refused() {
    let model = mixture(&Record::fixture("second_order_tweedie"), "c0.");
    let x = Tensor::zeros((1, 1, 1, 3), candle_core::DType::F64, &Device::Cpu).unwrap();
    assert!(model.score(&x, 1.0).is_err());
    assert!(model.score_and_slopes(&x, 1.0, &[]).is_err());
}
