//! Every kernel at every level against its oracle, over random shapes.

use super::conv::conv3x3_grad;
use super::images::Images;
use super::parts::Parts;
use super::{ops, oracle, portable};
use crate::kernels::conv::conv1x1::{self, PackedMatrix};
use crate::kernels::conv::conv3x3::{self, Finish, Input};
use crate::kernels::conv::filters::PackedFilters;
use crate::kernels::simd::lanes::Level;
use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;

/// Uniform in [−1, 1), by a linear congruential generator.
pub(super) fn random(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(1e-30, |m, v| m.max(v.abs()))
}

fn absolute(values: &[f32]) -> Vec<f32> {
    values.iter().map(|v| v.abs()).collect()
}

/// The largest difference over the largest value, or over one: the inputs are of that size, and a
/// sum of them that happens to cancel is not more exact than they are.
pub(super) fn relative(found: &[f32], expected: &[f64]) -> f64 {
    worst(found, expected) / largest(expected).max(1.0)
}

fn worst(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs());
    differences.fold(0.0, |m, d| if d.is_nan() { f64::NAN } else { m.max(d) })
}

pub(super) fn shapes() -> impl Strategy<Value = (Images, usize, u64)> {
    let channels = prop_oneof![Just(1usize), Just(8), Just(24), 1usize..20];
    let sizes = (1usize..3, 1usize..40, 1usize..80);
    (channels.clone(), channels, sizes, any::<u64>()).prop_map(
        |(channels, outputs, (batch, rows, cols), seed)| {
            (Images { batch, channels, rows, cols }, outputs, seed)
        },
    )
}

/// A convolution and its gradients by plain loops, over the values and over their magnitudes:
/// rounding is proportional to the terms of a sum and not to what is left after they cancel.
struct Plain {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    grad: Vec<f32>,
    values: [Vec<f64>; 3],
    scales: [Vec<f64>; 3],
}

impl Plain {
    fn new(images: Images, outputs: usize, side: usize, seed: u64) -> Self {
        let x = random(seed, images.len());
        let weight = random(seed ^ 1, outputs * images.channels * side * side);
        let bias = random(seed ^ 2, outputs);
        let grad = random(seed ^ 3, images.with_channels(outputs).len());
        let run = |x: &[f32], weight: &[f32], bias: &[f32], grad: &[f32]| {
            let (by_x, by_w) = oracle::conv_gradients(x, images, weight, grad, side);
            [oracle::conv(x, images, weight, bias, side), by_x, by_w]
        };
        let values = run(&x, &weight, &bias, &grad);
        let scales = run(&absolute(&x), &absolute(&weight), &absolute(&bias), &absolute(&grad));
        Self { x, weight, bias, grad, values, scales }
    }

    fn check(&self, level: Level, found: [&[f32]; 3], tolerance: f64) {
        for (i, name) in ["output", "by input", "by weight"].into_iter().enumerate() {
            let error = worst(found[i], &self.values[i]) / largest(&self.scales[i]);
            assert!(error < tolerance, "{level:?} {name}: {error:e}");
        }
    }
}

fn check_3x3(images: Images, outputs: usize, seed: u64) {
    let plain = Plain::new(images, outputs, 3, seed);
    let forward = PackedFilters::new(&plain.weight, outputs, images.channels);
    let adjoint = PackedFilters::adjoint(&plain.weight, outputs, images.channels);
    for level in Level::all() {
        let x = Input::plain(&plain.x, images);
        let y = conv3x3::conv3x3(level, x, &forward, Finish::bias(&plain.bias));
        let grad = Input::plain(&plain.grad, images.with_channels(outputs));
        let by_x = conv3x3::conv3x3(level, grad, &adjoint, Finish::bias(&[]));
        let x = Input::plain(&plain.x, images);
        let by_w = conv3x3_grad::filter_gradient(level, x, &plain.grad, outputs);
        plain.check(level, [&y, &by_x, &by_w], 1e-5);
    }
}

fn check_1x1(images: Images, outputs: usize, seed: u64) {
    let plain = Plain::new(images, outputs, 1, seed);
    let forward = PackedMatrix::new(&plain.weight, outputs, images.channels);
    let adjoint = PackedMatrix::adjoint(&plain.weight, outputs, images.channels);
    for level in Level::all() {
        let y = conv1x1::conv1x1(level, Parts::whole(&plain.x, images), &forward, &plain.bias);
        let grad = Parts::whole(&plain.grad, images.with_channels(outputs));
        let by_x = conv1x1::conv1x1(level, grad, &adjoint, &[]);
        let by_w = conv1x1::matrix_gradient(level, &plain.x, images, &plain.grad, outputs);
        plain.check(level, [&y, &by_x, &by_w], 1e-6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn conv3x3_and_its_gradients_match_plain_loops((images, outputs, seed) in shapes()) {
        check_3x3(images, outputs, seed);
    }

    #[test]
    fn conv1x1_and_its_gradients_match_plain_loops((images, outputs, seed) in shapes()) {
        check_1x1(images, outputs, seed);
    }

    #[test]
    fn norm_silu_and_its_gradients_match_candle((mut images, _, seed) in shapes(), groups in 1usize..4) {
        images.channels = groups * images.channels.div_ceil(3);
        prop_assume!(images.pixels() > 3);
        check_norm(images, groups, seed);
    }
}

#[test]
fn conv3x3_is_right_at_awkward_sizes() {
    for (channels, outputs, rows, cols) in
        [(1, 1, 1, 1), (7, 13, 2, 131), (3, 5, 61, 3), (24, 24, 5, 521), (130, 9, 9, 17)]
    {
        check_3x3(Images { batch: 1, channels, rows, cols }, outputs, 5);
    }
}

pub(super) fn tensor(values: Vec<f32>, shape: &[usize]) -> Var {
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

/// The value and the gradients of `Σ weight · f(variables)`.
pub(super) fn differentiate(
    variables: &[Var],
    seed: u64,
    f: impl Fn() -> candle_core::Result<Tensor>,
) -> Vec<Vec<f32>> {
    let y = f().unwrap();
    let weight = Tensor::from_vec(random(seed, y.elem_count()), y.shape(), &Device::Cpu).unwrap();
    let grads = (&y * weight).unwrap().sum_all().unwrap().backward().unwrap();
    let mut all = vec![flat(&y)];
    all.extend(variables.iter().map(|v| flat(grads.get(v).unwrap())));
    all
}

pub(super) fn assert_alike(found: &[Vec<f32>], expected: &[Vec<f32>], tolerance: f64) {
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let e: Vec<f64> = e.iter().map(|v| f64::from(*v)).collect();
        assert!(relative(f, &e) < tolerance, "part {i}: {:e}", relative(f, &e));
    }
}

fn check_norm(images: Images, groups: usize, seed: u64) {
    let Images { batch, channels, rows, cols } = images;
    let x = tensor(random(seed, images.len()), &[batch, channels, rows, cols]);
    let scale = tensor(random(seed ^ 1, batch * channels), &[batch, channels]);
    let shift = tensor(random(seed ^ 2, batch * channels), &[batch, channels]);
    let all = [x.clone(), scale.clone(), shift.clone()];
    let expected = differentiate(&all, seed ^ 3, || portable::norm_silu(&x, &scale, &shift, groups, 1e-5));
    for level in Level::all() {
        let found =
            differentiate(&all, seed ^ 3, || ops::norm_silu(level, &x, &scale, &shift, (groups, 1e-5)));
        assert_alike(&found, &expected, 2e-5);
    }
}

#[test]
fn norm_silu_stands_large_offsets_and_values() {
    let x = tensor(random(3, 4096).iter().map(|v| 1000.0 + v).collect(), &[1, 4, 32, 32]);
    let ones = Tensor::ones((1, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = super::norm_silu(&x, &(&ones * 100.0).unwrap(), &ones, 2, 1e-5).unwrap();
    let values = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values.iter().all(|v| v.is_finite() && *v > -0.3));
    // û is spread evenly over ±√3, so the largest value is close to 100 √3 + 1.
    let largest = values.iter().fold(0f32, |m, v| m.max(*v));
    assert!((largest - 174.2).abs() < 2.0, "{largest}");
}

#[test]
fn resampling_and_its_gradients_match_candle() {
    let deep = tensor(random(1, 2 * 3 * 5 * 7), &[2, 3, 5, 7]);
    let skip = tensor(random(2, 2 * 2 * 10 * 14), &[2, 2, 10, 14]);
    let both = [deep.clone(), skip.clone()];
    let found = differentiate(&both, 9, || ops::upsample_concat(&deep, &skip));
    assert_alike(&found, &differentiate(&both, 9, || portable::upsample_concat(&deep, &skip)), 1e-6);
    let found = differentiate(&both[1..], 9, || ops::average_pool(&skip));
    assert_alike(&found, &differentiate(&both[1..], 9, || portable::average_pool(&skip)), 1e-6);
}

#[test]
fn frozen_filters_give_the_same_bits_and_the_same_slope() {
    let x = tensor(random(1, 2 * 5 * 9 * 11), &[2, 5, 9, 11]);
    let (w, b) = (tensor(random(2, 6 * 45), &[6, 5, 3, 3]), tensor(random(3, 6), &[6]));
    let frozen = super::FrozenConv3x3::new(&w, &b).unwrap();
    let found = differentiate(std::slice::from_ref(&x), 4, || frozen.forward(&x));
    assert_eq!(found, differentiate(std::slice::from_ref(&x), 4, || super::conv3x3(&x, &w, &b)));
}

#[test]
fn threads_and_batch_do_not_change_a_bit() {
    let images = Images { batch: 3, channels: 20, rows: 70, cols: 90 };
    let (x, w) = (random(1, images.len()), random(2, 33 * 20 * 9));
    let grad = random(3, images.with_channels(33).len());
    let filters = PackedFilters::new(&w, 33, 20);
    let level = Level::best();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let y = conv3x3::conv3x3(level, Input::plain(&x, images), &filters, Finish::bias(&[]));
            (y, conv3x3_grad::filter_gradient(level, Input::plain(&x, images), &grad, 33))
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(7));
    let single = Images { batch: 1, ..images };
    let third =
        conv3x3::conv3x3(level, Input::plain(&x[2 * single.len()..], single), &filters, Finish::bias(&[]));
    assert!(third == one.0[one.0.len() / 3 * 2..]);
}

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let x = Tensor::zeros((1, 3, 5, 5), candle_core::DType::F32, &Device::Cpu).unwrap();
    let (w, b) = (
        Tensor::zeros((2, 4, 3, 3), candle_core::DType::F32, &Device::Cpu).unwrap(),
        tensor(vec![0.0; 2], &[2]),
    );
    assert!(super::conv3x3(&x, &w, &b).is_err());
    assert!(super::average_pool(&x).is_err());
    assert!(super::upsample_concat(&x, &x).is_err());
}

#[test]
fn what_stands_around_a_convolution_matches_one_by_one() {
    use super::{Around, Features, FrozenConv3x3, Norm};
    let (deep, half) =
        (tensor(random(1, 2 * 6 * 35), &[2, 6, 5, 7]), tensor(random(2, 2 * 6 * 140), &[2, 6, 10, 14]));
    let (skip, whole) =
        (tensor(random(3, 2 * 2 * 140), &[2, 2, 10, 14]), tensor(random(4, 2 * 8 * 140), &[2, 8, 10, 14]));
    let (w, b) = (tensor(random(5, 5 * 72), &[5, 8, 3, 3]), tensor(random(6, 5), &[5]));
    let (scale, offset) = (tensor(random(7, 16), &[2, 8]), tensor(random(8, 16), &[2, 8]));
    let (shift, residual) = (tensor(random(9, 10), &[2, 5]), tensor(random(10, 1400), &[2, 5, 10, 14]));
    let fixed = |t: &Var| t.as_tensor().detach();
    let [deep, half, skip, whole, scale, offset, shift, residual] =
        [&deep, &half, &skip, &whole, &scale, &offset, &shift, &residual].map(fixed);
    let conv = FrozenConv3x3::new(&w, &b).unwrap();
    // Two groups of four channels: the first part's six channels reach into the second.
    let norm = Some(Norm { scale: &scale, shift: &offset, groups: 2, eps: 1e-5 });
    let all = Around { norm, shift: Some(&shift), residual: Some(&residual), scale: 0.7 };
    for x in [Features::One(&whole), Features::Joined(&half, &skip), Features::Doubled(&deep, &skip)] {
        for around in [all, Around { norm: None, ..all }, Around { norm, ..Around::default() }] {
            let found = conv.forward_around(x, &around).unwrap();
            let plain = around.apply(x, |x| portable::conv3x3(x, &w, &b)).unwrap();
            assert_alike(&[flat(&found)], &[flat(&plain)], 1e-5);
        }
        let (m, b) = (fixed(&tensor(random(11, 40), &[5, 8, 1, 1])), fixed(&tensor(random(12, 5), &[5])));
        let found = super::conv1x1_of(x, &m, &b).unwrap();
        assert_alike(&[flat(&found)], &[flat(&portable::conv1x1(&x.join().unwrap(), &m, &b).unwrap())], 2e-6);
    }
    assert!(conv.forward_around(Features::Joined(&deep, &skip), &all).is_err());
    assert!(conv.forward_around((&half).into(), &all).is_err());
}

#[test]
fn a_normed_convolution_and_its_gradients_match_one_by_one() {
    use super::Norm;
    let x = tensor(random(1, 2 * 6 * 99), &[2, 6, 9, 11]);
    let (w, b) = (tensor(random(2, 5 * 54), &[5, 6, 3, 3]), tensor(random(3, 5), &[5]));
    let (scale, shift) = (tensor(random(4, 12), &[2, 6]), tensor(random(5, 12), &[2, 6]));
    let all = [x.clone(), w.clone(), b.clone(), scale.clone(), shift.clone()];
    let norm = Norm { scale: &scale, shift: &shift, groups: 3, eps: 1e-5 };
    let expected = differentiate(&all, 6, || {
        portable::conv3x3(&portable::norm_silu(&x, &scale, &shift, 3, 1e-5)?, &w, &b)
    });
    for level in Level::all() {
        let found = differentiate(&all, 6, || ops::norm_silu_conv3x3(level, &x, &norm, &w, &b));
        assert_alike(&found, &expected, 2e-5);
    }
}

#[test]
fn a_residual_block_and_its_gradients_match_layer_by_layer() {
    use super::{Features, Norm, ResidualBlock};
    let (deep, half) =
        (tensor(random(1, 2 * 2 * 30), &[2, 2, 5, 6]), tensor(random(2, 2 * 2 * 120), &[2, 2, 10, 12]));
    let (skip, whole) =
        (tensor(random(3, 2 * 4 * 120), &[2, 4, 10, 12]), tensor(random(4, 2 * 6 * 120), &[2, 6, 10, 12]));
    for outputs in [6, 4] {
        let vectors: Vec<Var> = [(5, 6), (6, 6), (7, outputs), (8, outputs)]
            .map(|(seed, channels)| tensor(random(seed, 2 * channels), &[2, channels]))
            .into();
        let (w1, b1) =
            (tensor(random(9, outputs * 54), &[outputs, 6, 3, 3]), tensor(random(10, outputs), &[outputs]));
        let w2 = tensor(random(11, outputs * outputs * 9), &[outputs, outputs, 3, 3]);
        let b2 = tensor(random(12, outputs), &[outputs]);
        let (ws, bs) =
            (tensor(random(13, outputs * 6), &[outputs, 6, 1, 1]), tensor(random(14, outputs), &[outputs]));
        let norm = |i: usize| Norm { scale: &vectors[i], shift: &vectors[i + 1], groups: 2, eps: 1e-5 };
        let identity =
            ResidualBlock { norms: [norm(0), norm(2)], convolutions: [(&w1, &b1), (&w2, &b2)], skip: None };
        let widened = ResidualBlock { skip: Some((&ws, &bs)), ..identity };
        let parameters = [&vectors[..], &[w1.clone(), b1.clone(), w2.clone(), b2.clone()]].concat();
        let with_skip = [&parameters[..], &[ws.clone(), bs.clone()]].concat();
        let pairs = [Features::Joined(&half, &skip), Features::Doubled(&deep, &skip)];
        let mut cases = vec![(Features::One(&whole), vec![whole.clone()])];
        cases.push((pairs[0], vec![half.clone(), skip.clone()]));
        cases.push((pairs[1], vec![deep.clone(), skip.clone()]));
        for (x, mut variables) in cases {
            let one = matches!(x, Features::One(_));
            let (block, parameters) =
                if one && outputs == 6 { (&identity, &parameters) } else { (&widened, &with_skip) };
            variables.extend(parameters.iter().cloned());
            let expected = differentiate(&variables, 15, || block.apply(x));
            let found = differentiate(&variables, 15, || super::residual_block(x, block));
            assert_alike(&found, &expected, 2e-5);
        }
    }
}

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}
