//! Checkpoints of the original implementations: every tensor arrives, exactly.

use candle_core::{Device, Tensor};
use recon::models::{Checkpoint, Format, Parameter, Weights};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The reference checkpoints of this name, if they are there.
fn reference(name: &str) -> Option<PathBuf> {
    crate::common::shared().map(|root| root.join("oracles/models").join(name))
}

fn read(path: &Path) -> BTreeMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap().into_iter().collect()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

fn assert_same(found: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>) {
    let names = |tensors: &BTreeMap<String, Tensor>| tensors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected));
    for (name, tensor) in found {
        assert_eq!(tensor.dims(), expected[name].dims(), "{name}");
        assert_eq!(bits(tensor), bits(&expected[name]), "{name}");
    }
}

/// The parameters as the reference lists them: those that are trained in their order, then the others.
fn parameters(folder: &Path, weights: &BTreeMap<String, Tensor>) -> Vec<Parameter> {
    let text = std::fs::read_to_string(folder.join("meta.json")).unwrap();
    let meta: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bare = |name: &str| name.strip_prefix("module.").unwrap_or(name).to_owned();
    let ordered = meta["param_order_requires_grad"].as_array().cloned().unwrap_or_default();
    let mut list: Vec<Parameter> = ordered
        .iter()
        .map(|entry| {
            let shape = entry[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
            Parameter::trainable(bare(entry[0].as_str().unwrap()), shape.collect::<Vec<_>>())
        })
        .collect();
    for (name, tensor) in weights {
        if !list.iter().any(|p| p.name == bare(name)) {
            list.push(Parameter::fixed(bare(name), tensor.dims()));
        }
    }
    list
}

/// The averages of `checkpoint` in a reference folder are those that stand beside it.
fn averages_agree(name: &str, checkpoint: &str) {
    let Some(folder) = reference(name) else { return };
    let expected: BTreeMap<String, Tensor> = read(&folder.join("ema_weights.safetensors"))
        .into_iter()
        .map(|(name, tensor)| (name, tensor.to_dtype(candle_core::DType::F32).unwrap()))
        .collect();
    let parameters = parameters(&folder, &expected);
    let checkpoint = Checkpoint::open(&folder.join(checkpoint)).unwrap();
    assert_eq!(checkpoint.format(), Format::PyTorch);
    assert!(checkpoint.has_average().unwrap());
    assert_same(&checkpoint.assemble(&parameters, Weights::Ema).unwrap(), &expected);
    let raw = checkpoint.assemble(&parameters, Weights::Raw).unwrap();
    assert_eq!(raw.len(), expected.len());
    let differs = |name: &String| bits(&raw[name]) != bits(&expected[name]);
    assert!(expected.keys().any(differs), "the last step is not the average");
}

#[test]
fn the_averages_of_ncsnpp_are_exact() {
    averages_agree("ncsnpp_ve", "checkpoint_1.pth");
}

#[test]
fn the_averages_of_ncsnpp_with_skips_are_exact() {
    averages_agree("ncsnpp_ve_skip", "checkpoint_1.pth");
}

#[test]
fn the_averages_of_ddpmpp_are_exact() {
    averages_agree("ddpmpp_vp", "checkpoint_1.pth");
}

#[test]
fn the_averages_of_a_list_checkpoint_are_exact() {
    averages_agree("ncsnv2", "checkpoint.pth");
}

#[test]
fn ddpm_loads_with_all_names_and_refuses_what_does_not_fit() {
    let Some(folder) = reference("ddpm") else { return };
    let mut parameters = parameters(&folder, &BTreeMap::new());
    let checkpoint = Checkpoint::open(&folder.join("checkpoint_1.pth")).unwrap();
    for weights in [Weights::Ema, Weights::Raw] {
        assert_eq!(checkpoint.assemble(&parameters, weights).unwrap().len(), 132);
    }
    let refusal =
        |parameters: &[Parameter], weights| checkpoint.assemble(parameters, weights).unwrap_err().to_string();
    parameters[5].name = "nowhere".into();
    let message = refusal(&parameters, Weights::Raw);
    assert!(message.contains("1 missing tensor(s): nowhere; 1 surplus"), "{message}");
    parameters[5].shape = vec![33];
    let message = refusal(&parameters, Weights::Ema);
    assert!(message.contains("has shape [32], nowhere should have [33]"), "{message}");
    parameters.pop();
    let message = refusal(&parameters, Weights::Ema);
    assert!(message.contains("132 tensors; the architecture has 131"), "{message}");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

/// The tensors of a text fixture, one a line: name, shape, numbers.
fn listed(name: &str, factor: f32) -> BTreeMap<String, Tensor> {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    let tensor = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap().to_owned();
        let shape: Vec<usize> = words.next().unwrap().split('x').map(|n| n.parse().unwrap()).collect();
        let values: Vec<f32> = words.map(|word| word.parse::<f64>().unwrap() as f32 * factor).collect();
        (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
    };
    text.lines().map(tensor).collect()
}

/// The parameters of the PyTorch fixtures in their order.
fn fixture_parameters(tensors: &BTreeMap<String, Tensor>) -> Vec<Parameter> {
    ["whole", "turned", "column", "block", "spread", "half", "brain", "double"]
        .map(|name| match name {
            "double" => Parameter::fixed(name, tensors[name].dims()),
            _ => Parameter::trainable(name, tensors[name].dims()),
        })
        .into()
}

#[test]
fn views_of_every_kind_arrive_from_both_formats_of_pytorch() {
    let mut raw = listed("pytorch.txt", 1.0);
    raw.remove("sigmas");
    let mut averages = listed("pytorch.txt", 2.0);
    averages.remove("sigmas");
    averages.insert("double".into(), raw["double"].clone());
    for (name, format) in [("zip.pth", Format::PyTorch), ("legacy.pth", Format::PyTorchLegacy)] {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        assert_eq!(checkpoint.format(), format);
        let parameters = fixture_parameters(&raw);
        assert_same(&checkpoint.assemble(&parameters, Weights::Raw).unwrap(), &raw);
        assert_same(&checkpoint.assemble(&parameters, Weights::Ema).unwrap(), &averages);
        let history = checkpoint.tensors().unwrap().into_iter().find(|(path, _)| path == "history");
        assert_eq!(history.map(|(_, tensor)| tensor.shape().to_vec()), Some(vec![3]));
    }
}

#[test]
fn flax_modules_are_found_by_the_order_of_their_making() {
    let checkpoint = Checkpoint::open(&fixture("state.flax")).unwrap();
    assert_eq!(checkpoint.format(), Format::Flax);
    for (weights, name) in [(Weights::Raw, "flax_raw.txt"), (Weights::Ema, "flax_ema.txt")] {
        let expected = listed(name, 1.0);
        let parameters: Vec<Parameter> =
            expected.iter().map(|(name, t)| Parameter::trainable(name.clone(), t.dims())).collect();
        assert_same(&checkpoint.assemble(&parameters, weights).unwrap(), &expected);
        let message = checkpoint.assemble(&parameters[..40], weights).unwrap_err().to_string();
        assert!(message.contains("modules of the kind"), "{message}");
    }
}

#[test]
fn safetensors_are_read_with_and_without_the_prefix_of_a_wrapper() {
    let raw = listed("pytorch.txt", 1.0);
    let folder = crate::common::Folder::new();
    let path = folder.path("any.name");
    let wrapped: std::collections::HashMap<String, Tensor> =
        raw.iter().map(|(name, tensor)| (format!("module.{name}"), tensor.clone())).collect();
    candle_core::safetensors::save(&wrapped, &path).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.format(), Format::Safetensors);
    assert!(!checkpoint.has_average().unwrap());
    let expected: BTreeMap<_, _> = raw.into_iter().filter(|(name, _)| name != "sigmas").collect();
    assert_same(&checkpoint.assemble(&fixture_parameters(&expected), Weights::Raw).unwrap(), &expected);
    let message = checkpoint.assemble(&fixture_parameters(&expected), Weights::Ema).unwrap_err().to_string();
    assert!(message.contains("--raw"), "{message}");
}
