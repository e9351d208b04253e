//! Densities that score models know, by the one question that all of them are asked.

use crate::score::fixtures::values;
use candle_core::{DType, Device, Result, Tensor};
use ndarray::{Array1, Array2};
use recon::score::{Autograd, Counted, Gaussian, GaussianMixture, NormalMixture, ScoreModel};
use std::f64::consts::PI;
use std::sync::Arc;

fn image(scale: f64, shift: f64) -> Tensor {
    let ramp = Tensor::arange(0.0, 6.0, &Device::Cpu).unwrap().reshape((1, 1, 2, 3)).unwrap();
    (((ramp * scale).unwrap() + shift).unwrap().sin().unwrap()).to_dtype(DType::F64).unwrap()
}

fn asked(model: &dyn ScoreModel, x: &Tensor, std: f64) -> f64 {
    model.log_density(x, std).unwrap().expect("a model that knows its density")[0]
}

fn mixture() -> GaussianMixture {
    let component = |shift, variance| Gaussian { mean: image(0.7, shift), variance };
    GaussianMixture { components: vec![component(0.0, 0.3), component(1.1, 0.6)], weights: vec![1.0, 3.0] }
}

fn correlated() -> NormalMixture {
    let covariance = Array2::from_shape_fn((6, 6), |(i, j)| 0.5 * 0.6_f64.powi((i as i32 - j as i32).abs()));
    let mean = |value: f64| Array1::from_elem(6, value);
    NormalMixture::new(vec![(1.0, mean(0.2), covariance.clone()), (2.0, mean(-0.5), covariance * 0.4)])
        .unwrap()
}

/// `−‖x − m‖²/2(v + σ²) − d/2 log 2π(v + σ²)`
#[test]
fn a_gaussian_has_its_closed_form() {
    let (mean, x) = (image(0.7, 0.0), image(0.3, 0.5));
    let squares: f64 = values(&mean).iter().zip(values(&x)).map(|(m, x)| (m - x).powi(2)).sum();
    let model = Gaussian { mean, variance: 0.3 };
    for std in [0.0_f64, 0.4, 2.0] {
        let variance = 0.3 + std * std;
        let expected = -0.5 * squares / variance - 3.0 * (2.0 * PI * variance).ln();
        assert!((asked(&model, &x, std) - expected).abs() < 1e-6 * expected.abs().max(1.0), "{std}");
    }
}

#[test]
fn the_gradient_of_every_density_is_its_score() {
    let (x, models): (_, [&dyn ScoreModel; 3]) =
        (image(0.4, 0.3), [&Gaussian { mean: image(0.7, 0.0), variance: 0.3 }, &mixture(), &correlated()]);
    let step = 1e-5;
    for (which, model) in models.into_iter().enumerate() {
        for std in [0.1, 0.5, 1.5] {
            let score = model.score(&x, std).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for (pixel, score) in score.into_iter().enumerate() {
                let unit: Vec<f64> = (0..6).map(|i| if i == pixel { step } else { 0.0 }).collect();
                let unit = Tensor::from_vec(unit, (1, 1, 2, 3), &Device::Cpu).unwrap();
                let ahead = asked(model, &(&x + &unit).unwrap(), std);
                let behind = asked(model, &(&x - &unit).unwrap(), std);
                let slope = (ahead - behind) / (2.0 * step);
                assert!((slope - score).abs() < 1e-7 * (1.0 + score.abs()), "{which}: {slope}, {score}");
            }
        }
    }
}

/// A score without a density.
struct Opaque;

impl ScoreModel for Opaque {
    fn score(&self, x: &Tensor, _std: f64) -> Result<Tensor> {
        x.neg()
    }
}

#[test]
fn what_holds_a_model_passes_the_question_on() {
    let x = image(0.4, 0.3);
    let expected = asked(&mixture(), &x, 0.5);
    let counted = Counted::new(mixture());
    assert_eq!(asked(&counted, &x, 0.5), expected);
    assert_eq!(counted.calls(), 1);
    assert_eq!(asked(&Autograd(Arc::new(mixture())), &x, 0.5), expected);
    assert_eq!(asked(&&mixture(), &x, 0.5), expected);
    let counted = Counted::new(Opaque);
    assert!(counted.log_density(&x, 0.5).unwrap().is_none());
    assert_eq!(counted.calls(), 0);
}
