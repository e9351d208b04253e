//! Published checkpoints through the command line: imported from their own files, scored at recorded labels.

use crate::common::records::{Arrays, arrays, oracle, worst_image};
use assert_cmd::Command;
use candle_core::{DType, Device, Tensor};
use ndarray::ArrayD;
use recon_data::{Overwrite, npy};
use std::path::Path;

fn run(folder: &Path, arguments: &[&str]) {
    let output = Command::cargo_bin("recon").unwrap().current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn write(path: &Path, tensor: &Tensor) {
    let values = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let array = ArrayD::from_shape_vec(tensor.dims().to_vec(), values).unwrap();
    npy::write_real(path, array.view(), Overwrite::Force).unwrap();
}

/// The largest relative error of the network's output, with these weights of the checkpoint.
fn error_of(source: &Path, checkpoint: &str, io: &Arrays, weights: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, arch) = (source.join(checkpoint), source.join("arch.toml"));
    let (checkpoint, arch) = (checkpoint.to_str().unwrap(), arch.to_str().unwrap());
    write(&folder.path().join("x.npy"), &io["x"]);
    write(&folder.path().join("l.npy"), &io["labels"]);
    let flag = format!("--{weights}");
    run(folder.path(), &["model", "import", checkpoint, "--arch", arch, &flag, "-o", "bundle"]);
    run(folder.path(), &["model", "verify", "bundle"]);
    run(folder.path(), &["model", "score", "bundle", "--input", "x.npy", "--label", "l.npy", "-o", "y.npy"]);
    let found = npy::read_real(&folder.path().join("y.npy")).unwrap();
    let found = Tensor::from_vec(found.iter().copied().collect::<Vec<_>>(), found.shape(), &Device::Cpu);
    worst_image(&found.unwrap(), &io[&format!("y_{weights}")])
}

#[test]
fn imported_checkpoints_give_the_recorded_outputs() {
    for (name, checkpoint) in [
        ("ncsnpp_ve", "checkpoint_1.pth"),
        ("ncsnpp_ve_skip", "checkpoint_1.pth"),
        ("ddpmpp_vp", "checkpoint_1.pth"),
        ("ddpm", "checkpoint_1.pth"),
        ("ncsnv2", "checkpoint.pth"),
    ] {
        let Some(source) = oracle(&format!("models/{name}")) else { return };
        let io = arrays(&source.join("io.safetensors"));
        for weights in ["raw", "ema"] {
            let error = error_of(&source, checkpoint, &io, weights);
            // Measured: 6e-6 at most.
            assert!(error < 2e-5, "{name} {weights}: {error:e}");
        }
    }
}
