//! `recon model import` and `verify`: what goes in comes out, and what does not fit is refused in one line.

use crate::common::Folder;
use candle_core::{Device, Tensor};
use recon::models::{ArchFile, Checkpoint, Weights, read_bundle};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A small network of the DDPM++ kind.
const ARCH: &str = r#"
architecture = "ncsnpp"
[model]
nf = 8
ch_mult = [1, 2]
num_res_blocks = 1
attn_resolutions = [8]
embedding_type = "positional"
fir = false
resblock_type = "biggan"
progressive = "none"
progressive_input = "none"
progressive_combine = "sum"
scale_by_sigma = false
skip_rescale = true
[data]
image_size = 16
num_channels = 1
centered = true
[sde]
kind = "vp"
beta_min = 0.1
beta_max = 20.0
"#;

/// Tensors of the small network that all differ.
fn tensors(factor: f32) -> HashMap<String, Tensor> {
    let parameters = ArchFile::parse(ARCH).unwrap().parameters();
    let tensor = |shape: &[usize], seed: usize| {
        let count = shape.iter().product();
        let values: Vec<f32> =
            (0..count).map(|i| factor * ((i * 37 + seed * 11) % 101) as f32 / 101.0).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    };
    parameters
        .into_iter()
        .enumerate()
        .map(|(i, p)| (format!("module.{}", p.name), tensor(&p.shape, i)))
        .collect()
}

/// A folder with the small network's description and a checkpoint of it.
fn folder(factor: f32) -> Folder {
    let folder = Folder::new();
    folder.bytes("arch.toml", ARCH.as_bytes());
    candle_core::safetensors::save(&tensors(factor), folder.path("checkpoint.pth")).unwrap();
    folder
}

/// The line that a run ends with, on stdout or on stderr.
fn line(folder: &Folder, arguments: &str, code: i32) -> String {
    let output = folder.recon(arguments).output().unwrap();
    let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments}\n{out}{log}");
    let text = if code == 0 { out } else { log };
    assert_eq!(text.trim_end().lines().count(), 1, "{arguments}\n{text}");
    text.trim_end().to_owned()
}

fn same(found: &Tensor, expected: &Tensor) -> bool {
    let values = |t: &Tensor| {
        let flat = t.to_dtype(candle_core::DType::F32).unwrap().flatten_all().unwrap();
        flat.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    found.dims() == expected.dims() && values(found) == values(expected)
}

#[test]
fn a_bundle_holds_what_the_checkpoint_held_and_verifies() {
    let folder = folder(1.0);
    let said = line(&folder, "model import checkpoint.pth --arch arch.toml -o bundle", 0);
    assert!(said.contains("raw weights of the last step") && said.contains("(safetensors)"), "{said}");
    assert_eq!(folder.names(), ["arch.toml", "bundle", "checkpoint.pth"]);
    let (card, found) = read_bundle(&folder.path("bundle")).unwrap();
    let expected = tensors(1.0);
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|(name, tensor)| same(tensor, &expected[&format!("module.{name}")])));
    assert_eq!(card.name, "bundle");
    let said = line(&folder, "model verify bundle", 0);
    assert!(said.contains("good") && said.contains("as F32 from 0 to 0.99"), "{said}");
    assert!(said.contains(&card.weights.sha256), "{said}");
}

#[test]
fn what_is_there_is_replaced_only_by_force() {
    let folder = folder(1.0);
    line(&folder, "model import checkpoint.pth --arch arch.toml -o bundle", 0);
    let before = std::fs::read(folder.path("bundle/weights.safetensors")).unwrap();
    line(&folder, "model import checkpoint.pth --arch arch.toml -o bundle", 5);
    candle_core::safetensors::save(&tensors(0.5), folder.path("checkpoint.pth")).unwrap();
    line(&folder, "model import checkpoint.pth --arch arch.toml -o bundle --force --name half", 0);
    assert_ne!(std::fs::read(folder.path("bundle/weights.safetensors")).unwrap(), before);
    assert!(line(&folder, "model verify bundle", 0).contains("good"));
}

#[test]
fn what_does_not_fit_ends_with_3_and_leaves_nothing() {
    let folder = folder(1.0);
    folder.bytes("other.toml", ARCH.replace("nf = 8", "nf = 16").as_bytes());
    folder.bytes("wrong.toml", ARCH.replace("nf = 8", "nf = \"many\"").as_bytes());
    folder.bytes("notes.pth", b"not a checkpoint");
    let bytes = std::fs::read(folder.path("checkpoint.pth")).unwrap();
    folder.bytes("short.pth", &bytes[..bytes.len() - 1]);
    let names = folder.names();
    for (arguments, because) in [
        ("checkpoint.pth --arch other.toml", "should have"),
        ("checkpoint.pth --arch wrong.toml", "correct the description"),
        ("checkpoint.pth --arch nowhere.toml", "cannot be read"),
        ("checkpoint.pth --arch arch.toml --ema", "holds no average of the weights; --raw"),
        ("notes.pth --arch arch.toml", "is not a PyTorch, Flax or safetensors checkpoint"),
        ("short.pth --arch arch.toml", "is cut short"),
        ("nowhere.pth --arch arch.toml", "cannot be read"),
        (". --arch arch.toml", "it is a folder"),
    ] {
        let said = line(&folder, &format!("model import {arguments} -o bundle"), 3);
        assert!(said.starts_with("error: ") && said.contains(because), "{said}");
        assert_eq!(folder.names(), names, "{arguments}");
    }
}

#[test]
fn values_that_no_network_has_are_refused() {
    let huge = folder(1e9);
    line(&huge, "model import checkpoint.pth --arch arch.toml -o bundle", 0);
    assert!(line(&huge, "model verify bundle", 3).contains("too large for a trained network"));
    let zero = folder(0.0);
    line(&zero, "model import checkpoint.pth --arch arch.toml -o bundle", 0);
    assert!(line(&zero, "model verify bundle", 3).contains("every weight is zero"));
    let nan = folder(f32::NAN);
    assert!(line(&nan, "model import checkpoint.pth --arch arch.toml -o bundle", 3).contains("not finite"));
}

#[test]
fn a_card_that_lies_about_its_tensors_is_refused() {
    let folder = folder(1.0);
    line(&folder, "model import checkpoint.pth --arch arch.toml -o bundle", 0);
    let card = std::fs::read_to_string(folder.path("bundle/manifest.toml")).unwrap();
    for (from, to, because) in [
        ("dtype = \"f32\"", "dtype = \"f16\"", "the card says F16"),
        ("parameters = ", "parameters = 1", "the card says"),
        ("sha256 = \"", "sha256 = \"0", "SHA-256 is"),
        ("nf = 8", "nf = 16", "the card says"),
    ] {
        assert!(card.contains(from), "{card}");
        std::fs::write(folder.path("bundle/manifest.toml"), card.replace(from, to)).unwrap();
        let said = line(&folder, "model verify bundle", 3);
        assert!(said.contains(because), "{said}");
    }
}

/// Imports a reference checkpoint both ways, and compares the average with what stands beside it.
#[track_caller]
fn reference(name: &str, checkpoint: &str) {
    let Some(shared) = crate::common::shared() else { return };
    let source = shared.join("oracles/models").join(name);
    let path = |name: &str| source.join(name).display().to_string();
    let folder = Folder::new();
    let import = format!("model import {} --arch {}", path(checkpoint), path("arch.toml"));
    let said = line(&folder, &format!("{import} -o ema"), 0);
    assert!(said.contains("average (EMA)"), "{said}");
    let said = line(&folder, &format!("{import} --raw -o raw"), 0);
    assert!(said.contains("raw weights"), "{said}");
    for bundle in ["ema", "raw"] {
        assert!(line(&folder, &format!("model verify {bundle}"), 0).contains("good"));
    }
    let (_, averages) = read_bundle(&folder.path("ema")).unwrap();
    let (_, raw) = read_bundle(&folder.path("raw")).unwrap();
    assert!(averages.iter().any(|(name, tensor)| !same(tensor, &raw[name])));
    if source.join("ema_weights.safetensors").exists() {
        compare(&source.join("ema_weights.safetensors"), &averages);
    }
    let arch = ArchFile::parse(&std::fs::read_to_string(source.join("arch.toml")).unwrap()).unwrap();
    let direct = Checkpoint::open(&source.join(checkpoint)).unwrap().network(&arch, Weights::Raw).unwrap();
    assert!(direct.iter().all(|(name, tensor)| same(tensor, &raw[name])));
}

fn compare(path: &Path, found: &BTreeMap<String, Tensor>) {
    let expected = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    assert_eq!(found.len(), expected.len());
    assert!(expected.iter().all(|(name, tensor)| same(&found[name], tensor)));
}

#[test]
fn reference_ncsnpp() {
    reference("ncsnpp_ve", "checkpoint_1.pth");
}

#[test]
fn reference_ncsnpp_with_skips() {
    reference("ncsnpp_ve_skip", "checkpoint_1.pth");
}

#[test]
fn reference_ddpmpp() {
    reference("ddpmpp_vp", "checkpoint_1.pth");
}

#[test]
fn reference_ddpm() {
    reference("ddpm", "checkpoint_1.pth");
}

#[test]
fn reference_ncsnv2() {
    reference("ncsnv2", "checkpoint.pth");
}
