//! Every option of the published networks, on small random configurations and weights, against plain loops.

use crate::common::records::{Arrays, network, relative_error};
use crate::networks::slow::{Map, Weights, ddpm, ncsn, ncsnpp};
use candle_core::{Device, Tensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use recon::models::{ArchFile, NetworkConfig};
use std::collections::HashMap;

/// Measured: at most 3e-6.
const TOLERANCE: f64 = 1e-5;

/// Weights of the size that training leaves; noise levels that fall.
fn weights(arch: &ArchFile, rng: &mut ChaCha8Rng) -> Arrays {
    let mut draw = |name: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let inputs = shape.iter().skip(1).product::<usize>().max(1) as f32;
        let norm =
            ["GroupNorm", "gamma", "embed"].iter().any(|n| name.contains(n)) && !name.ends_with("bias");
        let (middle, spread) = if norm { (1.0, 0.3) } else { (0.0, 1.7 / inputs.sqrt()) };
        let value =
            |i: usize, u: f32| if name == "sigmas" { 20.0 / (1.0 + i as f32) } else { middle + spread * u };
        (0..count).map(|i| value(i, rng.random_range(-1.0..1.0))).collect::<Vec<f32>>()
    };
    let tensor = |p: recon::models::Parameter| {
        let values = draw(&p.name, &p.shape);
        (p.name, Tensor::from_vec(values, p.shape, &Device::Cpu).unwrap())
    };
    arch.parameters().into_iter().map(tensor).collect()
}

fn slow_weights(arrays: &Arrays) -> Weights {
    let wide = |(name, t): (&String, &Tensor)| (name.clone(), crate::common::records::values(t));
    Weights(arrays.iter().map(wide).collect::<HashMap<_, _>>())
}

/// What the slow network says, with the edge repeated up to the multiple that the network needs.
fn expected(arch: &ArchFile, w: &Weights, x: &Map, label: f64) -> Map {
    let (multiple, width) = (arch.multiple(), arch.data.image_size.cols());
    let (rows, cols) = (x.rows.next_multiple_of(multiple), x.cols.next_multiple_of(multiple));
    let padded = Map::build(x.channels, rows, cols, |c, r, s| {
        x.at(c, r.min(x.rows - 1) as i64, s.min(x.cols - 1) as i64)
    });
    let padded = if arch.data.centered { padded } else { padded.map(|v| 2.0 * v - 1.0) };
    let y = match &arch.network {
        NetworkConfig::Ncsnpp(config) => ncsnpp(config, width, w, &padded, label),
        NetworkConfig::Ddpm(config) => ddpm(config, width, w, &padded, label),
        NetworkConfig::Ncsn(c) => ncsn("ncsn", c.nonlinearity, w, &padded, label as usize),
        NetworkConfig::Ncsnv2(c) => ncsn("ncsnv2", c.nonlinearity, w, &padded, label as usize),
        NetworkConfig::Ncsnv2Deeper(c) => ncsn("ncsnv2deeper", c.nonlinearity, w, &padded, label as usize),
        NetworkConfig::Ncsnv2Deepest(c) => ncsn("ncsnv2deepest", c.nonlinearity, w, &padded, label as usize),
    };
    Map::build(y.channels, x.rows, x.cols, |c, r, s| y.at(c, r as i64, s as i64))
}

/// Compares both on one image of `rows` x `cols`.
fn check(text: &str, (rows, cols): (usize, usize), label: f64, seed: u64) {
    let arch = ArchFile::parse(text).unwrap_or_else(|e| panic!("{e} in {text}"));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let weights = weights(&arch, &mut rng);
    let channels = arch.data.num_channels;
    let x = Map {
        values: (0..channels * rows * cols).map(|_| f64::from(rng.random_range(-1.0f32..1.0))).collect(),
        channels,
        rows,
        cols,
    };
    let input: Vec<f32> = x.values.iter().map(|v| *v as f32).collect();
    let input = Tensor::from_vec(input, (1, channels, rows, cols), &Device::Cpu).unwrap();
    let label_tensor = Tensor::from_vec(vec![label as f32], 1, &Device::Cpu).unwrap();
    let y = network(&arch, &weights).forward(&input, &label_tensor).unwrap();
    let slow = expected(&arch, &slow_weights(&weights), &x, f64::from(label as f32));
    let slow = Tensor::from_vec(slow.values, (1, channels, rows, cols), &Device::Cpu).unwrap();
    let error = relative_error(&y, &slow);
    println!("{error:.1e}");
    assert!(error < TOLERANCE, "{error:e} with {text}");
}

fn pick<'a>(rng: &mut ChaCha8Rng, of: &[&'a str]) -> &'a str {
    of[rng.random_range(0..of.len())]
}

fn random_ncsnpp(rng: &mut ChaCha8Rng) -> (String, f64) {
    let flag = ["true", "false"];
    let fourier = rng.random_bool(0.5);
    let model = [
        ("nf", pick(rng, &["4", "8"])),
        ("ch_mult", pick(rng, &["[1, 2]", "[1, 2, 1]", "[2, 1]", "[1]"])),
        ("num_res_blocks", pick(rng, &["1", "2"])),
        ("attn_resolutions", pick(rng, &["[4]", "[8, 2]", "[]"])),
        ("conditional", pick(rng, &flag)),
        ("embedding_type", if fourier { "\"fourier\"" } else { "\"positional\"" }),
        ("fir", pick(rng, &flag)),
        (
            "fir_kernel",
            pick(rng, &["[1, 3, 3, 1]", "[1, 2, 3, 4]", "[1, 1]", "[1, 2, 1]", "[1, 2, 5, 2, 4]"]),
        ),
        ("resblock_type", pick(rng, &["\"ddpm\"", "\"biggan\""])),
        ("progressive", pick(rng, &["\"none\"", "\"output_skip\"", "\"residual\""])),
        ("progressive_input", pick(rng, &["\"none\"", "\"input_skip\"", "\"residual\""])),
        ("progressive_combine", pick(rng, &["\"sum\"", "\"cat\""])),
        ("resamp_with_conv", pick(rng, &flag)),
        ("scale_by_sigma", pick(rng, &flag)),
        ("skip_rescale", pick(rng, &flag)),
        ("nonlinearity", pick(rng, &["\"swish\"", "\"elu\"", "\"relu\"", "\"lrelu\""])),
    ];
    let lines: Vec<String> = model.iter().map(|(k, v)| format!("{k} = {v}")).collect();
    let centered = pick(rng, &flag);
    let channels = pick(rng, &["1", "2"]);
    let text = format!(
        "architecture = \"ncsnpp\"\n[model]\n{}\n[data]\nimage_size = 8\nnum_channels = {channels}\n\
         centered = {centered}\n[sde]\nkind = \"ve\"\nsigma_min = 0.01\nsigma_max = 20.0\nnum_scales = 10\n",
        lines.join("\n")
    );
    (text, if fourier { 0.7 } else { 6.0 })
}

#[test]
fn ncsnpp_with_any_options() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for seed in 0..60 {
        let (text, label) = random_ncsnpp(&mut rng);
        // Some sizes cannot be halved, or are not square.
        let size = [(8, 8), (8, 8), (6, 8), (7, 5)][seed as usize % 4];
        check(&text, size, label, seed);
    }
}

#[test]
fn ddpm_with_any_options() {
    for (seed, (conv, act, scale)) in
        [("true", "swish", "false"), ("false", "elu", "true"), ("true", "relu", "true")].iter().enumerate()
    {
        let text = format!(
            "architecture = \"ddpm\"\n[model]\nnf = 32\nch_mult = [1, 2]\nnum_res_blocks = 1\n\
             attn_resolutions = [4]\nresamp_with_conv = {conv}\nnonlinearity = \"{act}\"\nscale_by_sigma = {scale}\n\
             [data]\nimage_size = 8\nnum_channels = 2\n[sde]\nkind = \"vp\"\ncontinuous = false\nbeta_min = 0.1\n\
             beta_max = 20.0\nnum_scales = 10\n"
        );
        check(&text, [(8, 8), (5, 8), (8, 6)][seed], 3.0, seed as u64);
    }
}

#[test]
fn the_ncsn_family() {
    for (seed, (name, act, size)) in [
        ("ncsn", "elu", (8, 8)),
        ("ncsn", "swish", (7, 10)),
        ("ncsnv2", "elu", (9, 12)),
        ("ncsnv2", "relu", (8, 8)),
        ("ncsnv2deeper", "elu", (12, 8)),
        ("ncsnv2deepest", "lrelu", (16, 8)),
        ("ncsnv2deepest", "elu", (13, 17)),
    ]
    .iter()
    .enumerate()
    {
        let text = format!(
            "architecture = \"{name}\"\n[model]\nngf = 4\nnum_classes = 6\nsigma_begin = 10.0\nsigma_end = 0.1\n\
             nonlinearity = \"{act}\"\n[data]\nimage_size = 16\nnum_channels = 1\ncentered = {}\n",
            seed % 2 == 0
        );
        check(&text, *size, 4.0, seed as u64);
    }
}
