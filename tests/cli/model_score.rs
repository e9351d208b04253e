//! `recon model score` on a bundle of a published network.

use crate::common::records::{Arrays, arch, arrays, relative_error};
use assert_cmd::Command;
use candle_core::{Device, Tensor};
use ndarray::{Array1, ArrayD};
use recon::models::{ArchFile, Dtype, write_bundle};
use recon_data::{Overwrite, npy};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A network with recorded output, in a folder with its bundle.
struct Case {
    folder: TempDir,
    io: Arrays,
}

impl Case {
    fn new(change: impl Fn(&mut ArchFile)) -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/networks/ncsnpp_ve_skip");
        let folder = tempfile::tempdir().unwrap();
        let mut weights = arrays(&fixture.join("weights_a.safetensors"));
        weights.extend(arrays(&fixture.join("weights_b.safetensors")));
        let mut arch = arch(&fixture);
        change(&mut arch);
        // Upstream's list of noise levels, which this network does not look at.
        weights.insert("sigmas".into(), Tensor::zeros(1000, candle_core::DType::F32, &Device::Cpu).unwrap());
        let tensors = weights.into_iter().collect();
        write_bundle(&folder.path().join("bundle"), &arch.manifest("theirs", "test"), &tensors, Dtype::F32)
            .unwrap();
        let case = Self { folder, io: arrays(&fixture.join("io.safetensors")) };
        case.write("x.npy", &case.io["x"]);
        case.write("l.npy", &case.io["labels"]);
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, tensor: &Tensor) {
        let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let array = ArrayD::from_shape_vec(tensor.dims().to_vec(), values).unwrap();
        npy::write_real(&self.path(name), array.view(), Overwrite::Force).unwrap();
    }

    fn run(&self, arguments: &str) -> std::process::Output {
        let mut command = Command::cargo_bin("recon").unwrap();
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).output().unwrap()
    }

    fn result(&self, name: &str) -> Tensor {
        let array = npy::read_real(&self.path(name)).unwrap();
        Tensor::from_vec(array.iter().copied().collect::<Vec<_>>(), array.shape(), &Device::Cpu).unwrap()
    }
}

#[test]
fn the_raw_output_and_the_score_of_a_ve_network_are_the_recorded_output() {
    let case = Case::new(|_| ());
    for flag in ["--label", "--std"] {
        let output = case.run(&format!("model score bundle --input x.npy {flag} l.npy -o y.npy --force"));
        assert!(output.status.success(), "{output:?}");
        // Measured: 3e-6.
        assert!(relative_error(&case.result("y.npy"), &case.io["y_ema"]) < 1e-5);
    }
}

#[test]
fn what_does_not_fit_ends_with_code_3_and_one_line() {
    let case = Case::new(|_| ());
    npy::write_real(&case.path("three.npy"), Array1::from_elem(3, 1.0f32).view(), Overwrite::Force).unwrap();
    npy::write_real(&case.path("bad.npy"), Array1::from_elem(2, -1.0f32).view(), Overwrite::Force).unwrap();
    case.write("wide.npy", &Tensor::zeros((1, 2, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap());
    for arguments in [
        "--input x.npy --label three.npy",
        "--input x.npy --label bad.npy",
        "--input x.npy --std bad.npy",
        "--input wide.npy --label l.npy",
        "--input three.npy --label l.npy",
        "--input none.npy --label l.npy",
    ] {
        let output = case.run(&format!("model score bundle {arguments} -o out.npy"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code().unwrap();
        assert_eq!(code, 3, "{arguments}: {text}");
        assert!(text.lines().count() == 1 && !case.path("out.npy").exists(), "{text}");
    }
}

#[test]
fn odd_sizes_are_padded_and_cropped() {
    let case = Case::new(|_| ());
    case.write(
        "odd.npy",
        &case.io["x"].narrow(2, 0, 31).unwrap().narrow(3, 0, 29).unwrap().contiguous().unwrap(),
    );
    let output = case.run("model score bundle --input odd.npy --std l.npy -o y.npy");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(case.result("y.npy").dims(), [2, 1, 31, 29]);
}

#[test]
fn a_network_whose_numbers_mean_nothing_is_no_prior() {
    let case = Case::new(|_| ());
    let info = case.run("model info bundle");
    assert!(info.status.success() && String::from_utf8_lossy(&info.stdout).contains("ncsnpp"), "{info:?}");
    case.write("image.npy", &Tensor::ones((16, 16), candle_core::DType::F32, &Device::Cpu).unwrap());
    let output = case.run("simulate mri image.npy --accel 2 -o k.npy --mask-out m.npy");
    assert!(output.status.success(), "{output:?}");
    let output = case.run("mri --kspace k.npy --mask m.npy --method score --model bundle -o r.npy");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(3) && text.contains("[value]"), "{text}");
}
