//! How long the network and its layers take on every device, a GPU first. Nothing is asserted; `cuda/check` shows the
//! numbers.

use crate::common::devices;
use candle_core::{Device, Result, Tensor};
use recon::kernels;
use recon::models::{Modality, ModelSource, open};
use recon::score::ScoreModel;
use std::time::{Duration, Instant};

/// Time of one call: the least of three rounds, after one that loads what is loaded at first use.
fn milliseconds(device: &Device, mut job: impl FnMut() -> Result<Tensor>) -> f64 {
    let mut round = |calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            job().unwrap();
        }
        device.synchronize().unwrap();
        start.elapsed() / calls
    };
    round(1);
    let once = round(1);
    let calls = (Duration::from_millis(100).as_nanos() / once.as_nanos().max(1)).clamp(1, 50) as u32;
    1e3 * (0..3).map(|_| round(calls)).min().unwrap_or_default().as_secs_f64()
}

fn uniform(device: &Device, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i * 7919 % 10_007) as f32 / 10_007.0 - 0.5).collect();
    Tensor::from_vec(values, shape, device).unwrap()
}

#[test]
#[ignore = "a measurement"]
fn time_of_a_network_call() {
    for (device, name) in devices().into_iter().rev() {
        let prior = open(&ModelSource::Builtin(Modality::Ct), &device).unwrap();
        for (batch, side) in [(1, 64), (1, 256), (8, 256), (32, 256), (1, 512), (8, 512)] {
            if device.is_cpu() && batch * side > 512 {
                continue;
            }
            let x = uniform(&device, &[batch, 1, side, side]);
            let time = milliseconds(&device, || prior.denoise(&x, 0.1));
            println!("speed\t{name}\tnetwork {batch}x{side}\t{time:.3}\t{:.3}", time / batch as f64);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn time_of_every_layer() {
    for (device, name) in devices().into_iter().rev() {
        let report = |layer: &str, job: &dyn Fn() -> Result<Tensor>| {
            println!("speed\t{name}\t{layer}\t{:.3}\t", milliseconds(&device, job));
        };
        for (inputs, outputs, side) in
            [(24, 24, 512), (72, 24, 512), (48, 48, 256), (96, 96, 128), (128, 128, 32)]
        {
            let x = uniform(&device, &[1, inputs, side, side]);
            let weight = uniform(&device, &[outputs, inputs, 3, 3]);
            let (bias, one) = (uniform(&device, &[outputs]), uniform(&device, &[1, inputs]));
            let small = uniform(&device, &[1, inputs, side / 2, side / 2]);
            let flat = uniform(&device, &[outputs, inputs, 1, 1]);
            let at = format!("{inputs} to {outputs} at {side}");
            report(&format!("conv3x3 {at}"), &|| kernels::conv3x3(&x, &weight, &bias));
            report(&format!("conv1x1 {at}"), &|| kernels::conv1x1(&x, &flat, &bias));
            report(&format!("norm_silu {inputs} at {side}"), &|| {
                kernels::norm_silu(&x, &one, &one, inputs / 8, 1e-5)
            });
            report(&format!("average_pool {inputs} at {side}"), &|| kernels::average_pool(&x));
            report(&format!("upsample_concat {inputs} at {side}"), &|| kernels::upsample_concat(&small, &x));
        }
    }
}
