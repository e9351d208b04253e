//! Gradients against PyTorch's, and whole trainings of a tiny network.

mod common;

use candle_core::{Device, Tensor, Var};
use common::devices;
use ndarray::Array3;
use recon::models::{
    Architecture, Dtype, FilmUnet, Manifest, Modality, ModelSource, Training, Tuned, Unet, UnetConfig,
    ValueMapping, WeightsCard, open,
};
use recon::train::{
    Dataset, Limits, Objective, Progress, TrainSettings, Trainer, initial_parameters, load, train,
};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

fn config() -> UnetConfig {
    UnetConfig { channels: vec![8, 16, 16], blocks: vec![1, 2, 1], middle: 2, embedding: 16, frequencies: 16 }
}

fn fixture(name: &str) -> HashMap<String, Tensor> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/unet");
    candle_core::safetensors::load(format!("{path}/{name}.safetensors"), &Device::Cpu).unwrap()
}

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    let norm = |t: &Tensor| f64::from(t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap()).sqrt();
    norm(&(a - b).unwrap()) / norm(b)
}

#[test]
fn gradients_are_those_of_pytorch() {
    for (device, name) in devices() {
        println!("on {name}");
        check_gradients(&device);
    }
}

fn check_gradients(device: &Device) {
    let weights = fixture("weights");
    let moved = |t: &Tensor| t.to_device(device).unwrap();
    let reference: HashMap<String, Tensor> =
        fixture("reference").iter().map(|(n, t)| (n.clone(), moved(t))).collect();
    let variables: HashMap<String, Var> = weights
        .iter()
        .map(|(n, t)| {
            let t = moved(&t.to_dtype(candle_core::DType::F32).unwrap());
            (n.clone(), Var::from_tensor(&t).unwrap())
        })
        .collect();
    let network = Unet::new(&config(), &|name| Ok(variables[name].as_tensor().clone())).unwrap();
    let (x, s) = (&reference["batch"], &reference["sigmas"]);
    let column = s.reshape((2, 1, 1, 1)).unwrap();
    let variance = (column.sqr().unwrap() + 0.09).unwrap();
    let spread = variance.sqrt().unwrap();
    let raw =
        network.forward(&x.broadcast_div(&spread).unwrap(), &(s.log().unwrap() * 0.25).unwrap()).unwrap();
    let gain = ((column * 0.3).unwrap() / &spread).unwrap();
    let skip = (variance.recip().unwrap() * 0.09).unwrap();
    let denoised = (x.broadcast_mul(&skip).unwrap() + raw.broadcast_mul(&gain).unwrap()).unwrap();
    let loss = (denoised - 0.5).unwrap().sqr().unwrap().mean_all().unwrap();
    assert!(relative_error(&loss.reshape(1).unwrap(), &reference["loss"]) < 1e-5);
    let grads = loss.backward().unwrap();
    let mut checked = 0;
    for (name, expected) in reference.iter().filter_map(|(n, t)| Some((n.strip_prefix("grad.")?, t))) {
        let error = relative_error(grads.get(&variables[name]).unwrap(), expected);
        println!("{name}: {error:.1e}");
        assert!(error < 3e-5, "{name}: {error:.1e}");
        checked += 1;
    }
    assert_eq!(checked, 12);
}

/// Discs of random size and brightness.
fn discs() -> Dataset {
    let volume = |v: usize| {
        Array3::from_shape_fn((4, 40, 44), |(k, i, j)| {
            let radius = 8.0 + 2.0 * (v + k) as f32;
            let distance = ((i as f32 - 20.0).powi(2) + (j as f32 - 22.0).powi(2)).sqrt();
            if distance < radius { 500.0 + 100.0 * k as f32 } else { 0.0 }
        })
    };
    Dataset::new((0..3).map(volume).collect(), ValueMapping::Percentile { percentile: 99.5 }).unwrap()
}

fn settings(folder: &Path, steps: u64) -> TrainSettings {
    let manifest = Manifest {
        name: "discs".into(),
        version: "0".into(),
        modality: Some(Modality::Mr),
        summary: "discs".into(),
        architecture: Architecture::FilmUnet(FilmUnet {
            size: config(),
            sigma_data: 0.3,
            sigma_min: 0.002,
            sigma_max: 6.0,
        }),
        value: Some(ValueMapping::Percentile { percentile: 99.5 }),
        training: Training {
            steps: 0,
            seconds: 0,
            objective: String::new(),
            how: String::new(),
            data: vec![],
        },
        tuned: Tuned::default(),
        weights: WeightsCard { sha256: String::new(), dtype: Dtype::F16, parameters: 0 },
    };
    TrainSettings {
        folder: folder.to_owned(),
        manifest,
        rate: 2e-3,
        crops: vec![32],
        pixels: 4 * 32 * 32,
        limits: Limits { steps, time: None },
        log_every: 5,
        save_every: Duration::from_secs(600),
        seed: 0,
    }
}

fn trainer() -> Trainer {
    let parameters = initial_parameters(&config(), 0).unwrap();
    Trainer::new(&config(), Objective::default(), &parameters, &Device::Cpu).unwrap()
}

fn fresh() -> Progress {
    Progress { steps: 0, seconds: 0.0, seed: 3 }
}

#[test]
fn a_short_training_lowers_the_loss_and_writes_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer();
    let mut losses = Vec::new();
    let settings = settings(folder.path(), 80);
    train(&mut trainer, &discs(), &settings, fresh(), &Device::Cpu, &mut |r| {
        losses.push(r.loss);
        true
    })
    .unwrap();
    let mean = |l: &[f32]| l.iter().sum::<f32>() / l.len() as f32;
    let (start, end) = (mean(&losses[..10]), mean(&losses[70..]));
    println!("loss {start:.3} to {end:.3}");
    assert!(end < 0.6 * start, "{start} to {end}");
    let prior = open(&ModelSource::Path(folder.path().to_owned()), &Device::Cpu).unwrap();
    assert_eq!(prior.manifest().training.steps, 80);
    let log = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 16);
}

#[test]
fn a_resumed_training_gives_the_same_bits() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = discs();
    let mut unbroken = trainer();
    train(&mut unbroken, &data, &settings(whole.path(), 6), fresh(), &Device::Cpu, &mut |_| true).unwrap();
    let mut broken = trainer();
    let settings = settings(parts.path(), 6);
    train(&mut broken, &data, &settings, fresh(), &Device::Cpu, &mut |r| r.steps < 3).unwrap();
    let mut resumed = trainer();
    let progress = load(&mut resumed, &settings.state_path()).unwrap();
    assert_eq!(progress.steps, 3);
    train(&mut resumed, &data, &settings, progress, &Device::Cpu, &mut |_| true).unwrap();
    let bits = |t: &Trainer| -> BTreeMap<String, Vec<f32>> {
        t.average().iter().map(|(n, t)| (n.clone(), flat(t))).collect()
    };
    assert!(bits(&unbroken) == bits(&resumed));
    assert!(bits(&unbroken) != bits(&broken));
}

#[test]
fn a_state_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    std::fs::write(&path, b"not a state").unwrap();
    assert!(load(&mut trainer(), &path).unwrap_err().to_string().contains("state.safetensors"));
}
