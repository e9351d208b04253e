//! Gradients against PyTorch's, and whole trainings of a tiny network.

use crate::common::devices;
use candle_core::{Device, Tensor, Var};
use ndarray::Array3;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon::models::{
    Architecture, Dtype, FilmUnet, Manifest, Modality, ModelSource, Training, Tuned, Unet, UnetConfig,
    ValueMapping, WeightsCard, open,
};
use recon::train::{
    Augmentation, Batch, Course, Crops, Dataset, Descending, Learner, Limits, Objective, Progress, Schedule,
    TrainSettings, Trainer, Validation, initial_parameters, load, train,
};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

fn config() -> UnetConfig {
    UnetConfig {
        channels: vec![8, 16, 16],
        blocks: vec![1, 2, 1],
        middle: 2,
        embedding: 16,
        frequencies: 16,
        inputs: 1,
    }
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
        typical: None,
        side: None,
        family: None,
        weights: WeightsCard { sha256: String::new(), dtype: Dtype::F16, parameters: 0 },
    };
    TrainSettings {
        folder: folder.to_owned(),
        manifest,
        schedule: Schedule { rate: 8e-4, warm_up: 20, course: Course::Falling },
        crops: Crops::new(&["32x4".parse().unwrap()], 1, 4).unwrap(),
        multiple: 4,
        augmentation: Augmentation::of(Modality::Mr),
        accumulate: 1,
        limits: Limits { steps, time: None },
        log_every: 5,
        save_every: Duration::from_secs(600),
        validate_every: 3,
    }
}

fn trainer() -> Trainer {
    let parameters = initial_parameters(&config(), 0).unwrap();
    Trainer::new(&config(), Objective::default(), Descending::default(), &parameters, &Device::Cpu).unwrap()
}

fn fresh() -> Progress {
    Progress { seed: 3, ..Progress::default() }
}

#[test]
fn a_short_training_lowers_the_loss_and_writes_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer();
    let mut losses = Vec::new();
    let settings = TrainSettings { augmentation: Augmentation::NONE, ..settings(folder.path(), 320) };
    train(&mut trainer, &discs(), None, &settings, fresh(), &Device::Cpu, &mut |r| {
        losses.push(r.loss);
        true
    })
    .unwrap();
    let mean = |l: &[f64]| l.iter().sum::<f64>() / l.len() as f64;
    let (start, end) = (mean(&losses[..20]), mean(&losses[300..]));
    println!("loss {start:.3} to {end:.3}");
    assert!(end < 0.6 * start, "{start} to {end}");
    let prior = open(&ModelSource::Path(folder.path().to_owned()), &Device::Cpu).unwrap();
    assert_eq!(prior.manifest().training.steps, 320);
    let log = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 64);
}

#[test]
fn a_resumed_training_gives_the_same_bits() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = discs();
    let mut unbroken = trainer();
    train(&mut unbroken, &data, None, &settings(whole.path(), 6), fresh(), &Device::Cpu, &mut |_| true)
        .unwrap();
    let mut broken = trainer();
    let settings = settings(parts.path(), 6);
    train(&mut broken, &data, None, &settings, fresh(), &Device::Cpu, &mut |r| r.steps < 3).unwrap();
    let mut resumed = trainer();
    let progress = load(resumed.parameters_mut(), &settings.state_path()).unwrap();
    assert_eq!(progress.steps, 3);
    train(&mut resumed, &data, None, &settings, progress, &Device::Cpu, &mut |_| true).unwrap();
    let bits = |t: &Trainer| -> BTreeMap<String, Vec<f32>> {
        t.parameters().average().iter().map(|(n, t)| (n.clone(), flat(t))).collect()
    };
    assert!(bits(&unbroken) == bits(&resumed));
    assert!(bits(&unbroken) != bits(&broken));
}

#[test]
fn a_state_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    std::fs::write(&path, b"not a state").unwrap();
    assert!(load(trainer().parameters_mut(), &path).unwrap_err().to_string().contains("state.safetensors"));
}

#[test]
fn gradients_of_parts_are_those_of_the_whole() {
    let trainer = trainer();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let crops = Crops::new(&["32x4".parse().unwrap()], 1, 4).unwrap().choose(0.0);
    let clean = discs().draw(crops, 4, &Augmentation::NONE, &mut rng, &Device::Cpu).unwrap();
    let mut batch = trainer.draw(clean, &mut rng).unwrap();
    // Fresh weights end in zeros, which hide most of the gradient.
    let moved: Trainer = {
        let mut moved = trainer;
        for _ in 0..3 {
            moved.step(&batch, 1, 1e-2).unwrap();
        }
        moved
    };
    let (loss, whole) = moved.gradients(&batch, 1).unwrap();
    let norm = whole.norm().unwrap();
    for parts in [2, 4] {
        let (found, gradients) = moved.gradients(&batch, parts).unwrap();
        let mut worst = (found / loss - 1.0).abs();
        for name in moved.parameters().variables().keys() {
            let difference = (gradients.get(name).unwrap() - whole.get(name).unwrap()).unwrap();
            let length = f64::from(difference.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap());
            worst = worst.max(length.sqrt() / norm);
        }
        println!("{parts} parts: {worst:.1e}");
        assert!(worst < 6e-7, "{parts} parts: {worst:e}");
    }
    assert!(moved.gradients(&batch, 3).is_err());
    batch = Batch { clean: batch.clean.affine(f64::NAN, 0.0).unwrap(), ..batch };
    assert!(moved.gradients(&batch, 1).err().unwrap().to_string().contains("loss"));
}

#[test]
fn validation_is_logged_and_drawn_and_the_best_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer();
    let (data, settings) = (discs(), settings(folder.path(), 30));
    let settings = TrainSettings { validate_every: 10, ..settings };
    let validation = Validation::new(&data, 4, 0);
    assert_eq!(validation.slices(), 8);
    let mut found = Vec::new();
    train(&mut trainer, &data, Some(&validation), &settings, fresh(), &Device::Cpu, &mut |r| {
        found.extend(r.psnr);
        true
    })
    .unwrap();
    let log = std::fs::read_to_string(folder.path().join("log.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let validated: Vec<_> = lines.iter().filter(|l| l.get("validation").is_some()).collect();
    assert_eq!((validated.len(), found.len()), (3, 3));
    for (line, step) in validated.iter().zip([10, 20, 30]) {
        assert_eq!(line["step"], step);
        let bands = line["validation"].as_array().unwrap();
        let psnr: Vec<f64> = bands.iter().map(|b| b["psnr"].as_f64().unwrap()).collect();
        // Less noise is easier, and every answer beats the noise itself at the largest level.
        assert!(psnr.is_sorted_by(|a, b| a > b) && psnr[4] > 3.0, "{psnr:?}");
        assert!(folder.path().join(format!("samples/step-0000{step}.png")).metadata().unwrap().len() > 500);
    }
    println!("{found:?}");
    let best = open(&ModelSource::Path(folder.path().join("best")), &Device::Cpu).unwrap();
    let steps = 10 * (1 + (0..3).max_by(|a, b| found[*a].total_cmp(&found[*b])).unwrap()) as u64;
    assert_eq!(best.manifest().training.steps, steps);
}
