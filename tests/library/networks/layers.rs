//! The filtered layers against recorded outputs of the published code.

use crate::common::records::{Arrays, arrays, json, relative_error};
use candle_core::{Device, Tensor};
use recon::kernels::{self, Fir};
use std::path::{Path, PathBuf};

/// Measured: 3e-7.
const TOLERANCE: f64 = 1e-6;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks").join(name)
}

/// One dimension of recorded kernel `k`, with sum 1.
fn taps(k: usize) -> Vec<f32> {
    let line: [f32; 4] = if k == 0 { [1.0, 3.0, 3.0, 1.0] } else { [1.0, 2.0, 3.0, 4.0] };
    line.map(|t| t / line.iter().sum::<f32>()).to_vec()
}

#[test]
fn filters_with_every_factor_and_padding() {
    let (record, meta) = (arrays(&fixture("fir.safetensors")), json(&fixture("fir.json")));
    let cases = meta["upfirdn2d"].as_array().unwrap();
    assert_eq!(cases.len(), 28);
    for case in cases {
        let number = |key: &str| case[key].as_i64().unwrap();
        let k = usize::from(case["kernel"] == "kernel1");
        let (up, down) = (number("up") as usize, number("down") as usize);
        let fir = Fir { taps: taps(k), up, down, pad: (number("pad0"), number("pad1")) };
        let key = case["key"].as_str().unwrap();
        let y = kernels::upfirdn(&record[case["x"].as_str().unwrap()], &fir).unwrap();
        let error = relative_error(&y, &record[key]);
        assert!(error < TOLERANCE, "{key}: {error:e}");
    }
}

fn each(check: impl Fn(&Arrays, &Tensor, &str, Vec<f32>)) {
    let record = arrays(&fixture("fir.safetensors"));
    for (x, k) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        check(&record, &record[&format!("x{x}")], &format!("x{x}_k{k}"), taps(k));
    }
}

#[test]
fn a_filter_and_a_convolution_at_every_second_pixel() {
    each(|record, x, key, taps| {
        let weight = &record[&format!("w_{key}")];
        let smooth = kernels::upfirdn(x, &Fir { taps, up: 1, down: 1, pad: (2, 2) }).unwrap();
        let bias = Tensor::zeros(weight.dim(0).unwrap(), weight.dtype(), &Device::Cpu).unwrap();
        let y = kernels::strided_conv3x3(&smooth, weight, &bias, 0).unwrap();
        let error = relative_error(&y, &record[&format!("convdown_{key}")]);
        assert!(error < TOLERANCE, "{key}: {error:e}");
    });
}

#[test]
fn plain_halving_and_doubling() {
    let record = arrays(&fixture("fir.safetensors"));
    for x in ["x0", "x1"] {
        let small = kernels::average_pool(&record[x]).unwrap();
        assert!(relative_error(&small, &record[&format!("naivedown_{x}")]) < TOLERANCE);
        let large = kernels::upsample(&record[x]).unwrap();
        assert!(relative_error(&large, &record[&format!("naiveup_{x}")]) < TOLERANCE);
    }
}
