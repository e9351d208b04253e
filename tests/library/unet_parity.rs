//! The network against PyTorch's values (fixtures/unet/README.md).

use crate::common::devices;
use candle_core::{Device, Tensor};
use recon::models::{
    Architecture, Dtype, FilmUnet, Manifest, Modality, Training, Tuned, UnetConfig, ValueMapping,
    WeightsCard, open, write_bundle,
};
use recon::models::{ModelSource, Prior};
use recon::score::ScoreModel;
use std::collections::{BTreeMap, HashMap};

fn fixture(name: &str) -> HashMap<String, Tensor> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/unet");
    candle_core::safetensors::load(format!("{path}/{name}.safetensors"), &Device::Cpu).unwrap()
}

fn manifest() -> Manifest {
    Manifest {
        name: "tiny".into(),
        version: "0".into(),
        modality: Some(Modality::Ct),
        summary: "test network".into(),
        architecture: Architecture::FilmUnet(FilmUnet {
            size: UnetConfig {
                channels: vec![8, 16, 16],
                blocks: vec![1, 2, 1],
                middle: 2,
                embedding: 16,
                frequencies: 16,
                inputs: 1,
            },
            sigma_data: 0.3,
            sigma_min: 0.002,
            sigma_max: 10.0,
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
    }
}

fn tiny(device: &Device) -> Prior {
    let folder = tempfile::tempdir().unwrap();
    let tensors: BTreeMap<String, Tensor> = fixture("weights").into_iter().collect();
    write_bundle(folder.path(), &manifest(), &tensors, Dtype::F16).unwrap();
    open(&ModelSource::Path(folder.path().to_owned()), device).unwrap()
}

fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    let norm = |t: &Tensor| f64::from(t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap()).sqrt();
    norm(&(a - b).unwrap()) / norm(b)
}

#[test]
fn denoises_as_pytorch_does() {
    let reference = fixture("reference");
    for (device, name) in devices() {
        let prior = tiny(&device);
        let input = reference["input"].to_device(&device).unwrap();
        for sigma in ["0.02", "0.3", "2.0"] {
            let expected = &reference[&format!("output_{sigma}")];
            let found = prior.denoise(&input, sigma.parse().unwrap()).unwrap();
            let error = relative_error(&found.to_device(&Device::Cpu).unwrap(), expected);
            println!("{name}, sigma {sigma}: relative error {error:.2e}");
            assert!(error < 5e-6, "{name}, sigma {sigma}: {error:.2e}");
        }
    }
}

#[test]
fn any_size_keeps_its_size() {
    let prior = tiny(&Device::Cpu);
    for (rows, cols) in [(1, 1), (7, 31), (20, 16)] {
        let x = Tensor::rand(0f32, 1.0, (1, 1, rows, cols), &Device::Cpu).unwrap();
        assert_eq!(prior.denoise(&x, 0.1).unwrap().dims(), x.dims());
    }
}
