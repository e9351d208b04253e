//! Resampling, strided and dilated layers: every path against its definition, and its gradients.

use super::plane::linear;
use super::tests::{assert_alike, differentiate, random, relative, shapes, tensor};
use super::{Fir, oracle, portable};
use candle_core::{Device, Tensor};
use proptest::prelude::*;

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// `y[k, r, s] = b[k] + Σ w[k, c, i, j] x[c, at(r, i), at(s, j)]`, zero outside.
fn conv_oracle(
    x: &[f32],
    dims: [usize; 4],
    (w, b): (&[f32], &[f32]),
    (rows, cols): (usize, usize),
    at: impl Fn(usize, usize) -> i64,
) -> Vec<f64> {
    let [batch, channels, height, width] = dims;
    let mut y = Vec::new();
    for (image, k) in (0..batch).flat_map(|i| (0..b.len()).map(move |k| (i, k))) {
        for (r, s) in (0..rows).flat_map(|r| (0..cols).map(move |s| (r, s))) {
            let mut sum = f64::from(b[k]);
            for (c, t) in (0..channels).flat_map(|c| (0..9).map(move |t| (c, t))) {
                let (i, j) = (at(r, t / 3), at(s, t % 3));
                if (0..height as i64).contains(&i) && (0..width as i64).contains(&j) {
                    let from = ((image * channels + c) * height + i as usize) * width + j as usize;
                    sum += f64::from(w[(k * channels + c) * 9 + t]) * f64::from(x[from]);
                }
            }
            y.push(sum);
        }
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn strided_convolution_is_its_definition((images, outputs, seed) in shapes(), behind in 0usize..3) {
        prop_assume!(images.rows + behind >= 3 && images.cols + behind >= 3);
        let dims = [images.batch, images.channels, images.rows, images.cols];
        let x = tensor(random(seed, images.len()), &dims);
        let w = tensor(random(seed ^ 1, outputs * images.channels * 9), &[outputs, images.channels, 3, 3]);
        let b = tensor(random(seed ^ 2, outputs), &[outputs]);
        let size = ((images.rows + behind - 3) / 2 + 1, (images.cols + behind - 3) / 2 + 1);
        let expected = conv_oracle(&flat(&x), dims, (&flat(&w), &flat(&b)), size, |r, i| (2 * r + i) as i64);
        let y = super::strided_conv3x3(&x, &w, &b, behind).unwrap();
        prop_assert!(relative(&flat(&y), &expected) < 5e-6);
        let all = [x.clone(), w.clone(), b.clone()];
        let found = differentiate(&all, seed ^ 3, || super::strided_conv3x3(&x, &w, &b, behind));
        let slow = differentiate(&all, seed ^ 3, || portable::strided_conv3x3(&x, &w, &b, behind));
        assert_alike(&found, &slow, 2e-5);
    }

    #[test]
    fn phases_make_a_dilated_convolution((images, outputs, seed) in shapes(), d in 1usize..5) {
        let dims = [images.batch, images.channels, images.rows, images.cols];
        let x = tensor(random(seed, images.len()), &dims);
        let w = tensor(random(seed ^ 1, outputs * images.channels * 9), &[outputs, images.channels, 3, 3]);
        let b = tensor(random(seed ^ 2, outputs), &[outputs]);
        let size = (images.rows, images.cols);
        let at = |r: usize, i: usize| r as i64 + d as i64 * (i as i64 - 1);
        let expected = conv_oracle(&flat(&x), dims, (&flat(&w), &flat(&b)), size, at);
        let phases = super::split_phases(&x, d).unwrap();
        let y = super::join_phases(&super::conv3x3(&phases, &w, &b).unwrap(), d, size).unwrap();
        prop_assert!(relative(&flat(&y), &expected) < 2e-5);
    }

    #[test]
    fn filters_are_the_same_by_candles_own_operations(
        (images, _, seed) in shapes(),
        taps in proptest::collection::vec(-1.0f32..1.0, 1..6),
        (up, down, front, behind) in (1usize..3, 1usize..3, -1i64..5, -1i64..5),
    ) {
        let fir = Fir { taps, up, down, pad: (front, behind) };
        let (rows, cols) = (images.rows.min(12), images.cols.min(13));
        prop_assume!(fir.samples(rows).is_ok() && fir.samples(cols).is_ok());
        let x = [tensor(random(seed, 2 * rows * cols), &[1, 2, rows, cols])];
        let found = differentiate(&x, seed ^ 1, || super::upfirdn(&x[0], &fir));
        assert_alike(&found, &differentiate(&x, seed ^ 1, || portable::upfirdn(&x[0], &fir)), 2e-5);
    }

    #[test]
    fn the_largest_of_25_neighbours(rows in 1usize..9, cols in 1usize..9, seed in any::<u64>()) {
        let values = random(seed, rows * cols);
        let x = Tensor::from_vec(values.clone(), (1, 1, rows, cols), &Device::Cpu).unwrap();
        let near = |a: usize, b: usize| a.abs_diff(b) <= 2;
        let expected: Vec<f32> = (0..rows * cols)
            .map(|p| {
                let neighbours = (0..rows * cols)
                    .filter(|q| near(p / cols, q / cols) && near(p % cols, q % cols));
                neighbours.map(|q| values[q]).fold(f32::MIN, f32::max)
            })
            .collect();
        prop_assert_eq!(flat(&super::maximum_of_5x5(&x).unwrap()), expected);
    }
}

#[test]
fn doubling_and_its_gradient_match_candle() {
    let x = [tensor(random(1, 2 * 3 * 5 * 7), &[2, 3, 5, 7])];
    let found = differentiate(&x, 9, || super::upsample(&x[0]));
    assert_alike(&found, &differentiate(&x, 9, || portable::upsample(&x[0])), 1e-6);
    let twice = differentiate(&x, 9, || {
        linear::apply(&linear::apply(&x[0], linear::Linear::Repeat)?, linear::Linear::Sum)
    });
    let fourfold: Vec<f64> = flat(&x[0]).iter().map(|v| 4.0 * f64::from(*v)).collect();
    assert!(relative(&twice[0], &fourfold) < 1e-6);
}

#[test]
fn the_mean_of_25_neighbours_counts_those_outside() {
    let ones = Tensor::ones((1, 1, 4, 6), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = flat(&super::mean_of_5x5(&ones).unwrap());
    // Corner: 3 x 3 of 25; middle of the second row: 4 x 5.
    assert!((y[0] - 9.0 / 25.0).abs() < 1e-6 && (y[6 + 2] - 20.0 / 25.0).abs() < 1e-6);
}

#[test]
fn resizing_keeps_corners_and_planes() {
    let plane = |rows: usize, cols: usize| -> Vec<f32> {
        let at = |i: usize, n: usize| i as f32 / (n - 1) as f32;
        (0..rows * cols).map(|p| 3.0 * at(p / cols, rows) - 2.0 * at(p % cols, cols)).collect()
    };
    let x = Tensor::from_vec(plane(3, 5), (1, 1, 3, 5), &Device::Cpu).unwrap();
    let y = super::resize_bilinear(&x, (8, 13)).unwrap();
    let expected: Vec<f64> = plane(8, 13).iter().map(|v| f64::from(*v)).collect();
    assert!(relative(&flat(&y), &expected) < 1e-6);
    let one = Tensor::full(2.5f32, (1, 1, 1, 1), &Device::Cpu).unwrap();
    assert_eq!(flat(&super::resize_bilinear(&one, (2, 3)).unwrap()), [2.5; 6]);
}

#[test]
fn the_plain_convolution_oracles_agree() {
    let images = super::images::Images { batch: 2, channels: 3, rows: 4, cols: 5 };
    let (x, w, b) = (random(1, images.len()), random(2, 2 * 27), random(3, 2));
    let at = |r: usize, i: usize| r as i64 + i as i64 - 1;
    let found = conv_oracle(&x, [2, 3, 4, 5], (&w, &b), (4, 5), at);
    let other = oracle::conv(&x, images, &w, &b, 3);
    assert!(found.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-12));
}
