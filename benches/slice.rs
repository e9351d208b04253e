//! Times of the denoiser and of whole slices of 128 × 128 pixels, and their ratios.
#![allow(missing_docs, reason = "the macro of the harness makes public items")]

mod ratio;

use candle_core::{DType, Device, Tensor};
use divan::Bencher;
use ndarray::Array2;
use ratio::Ratio;
use recon::models::{ModelSource, Prior, open};
use recon::score::ScoreModel;
use recon_data::{Modality, Overwrite, npy};
use std::process::Command;
use tempfile::TempDir;

/// Pixels along a side.
const SIDE: usize = 128;

fn main() {
    divan::main();
    if ratio::wanted() {
        ratios();
    }
}

fn prior() -> Prior {
    open(&ModelSource::Builtin(Modality::Ct), &Device::Cpu).expect("the model that ships with the program")
}

fn noisy(side: usize) -> Tensor {
    Tensor::zeros((1, 1, side, side), DType::F32, &Device::Cpu).expect("an image")
}

/// A folder with a slice of 0 to 1000 HU in it.
struct Case(TempDir);

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let centre = SIDE as f32 / 2.0;
        let slice = Array2::from_shape_fn((SIDE, SIDE), |(i, j)| {
            let (y, x) = ((i as f32 - centre) / centre, (j as f32 - centre) / centre);
            if x * x + y * y < 0.7 { 40.0 + 20.0 * (9.0 * x).sin() * (7.0 * y).cos() } else { -1000.0 }
        });
        npy::write_real(&folder.path().join("slice.npy"), slice.view(), Overwrite::Force).expect("written");
        Self(folder)
    }

    /// The program from its start to its end: reading, 60 simulated views, reconstruction, writing.
    fn run(&self, method: &str) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recon"));
        let line = format!("ct slice.npy --unit hu --views 60 --method {method} -o out.npy --force -q");
        let done = command.current_dir(self.0.path()).args(line.split_whitespace()).status();
        assert!(done.expect("started").success(), "{line}");
    }

    /// How often the last run called the network.
    fn calls(&self) -> u64 {
        let text = std::fs::read_to_string(self.0.path().join("out.json")).expect("a sidecar");
        let sidecar: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        sidecar["nfe"].as_u64().expect("a number of calls")
    }
}

#[divan::bench(args = [128, 256], sample_count = 10)]
fn denoiser(bencher: Bencher, side: usize) {
    let (prior, x) = (prior(), noisy(side));
    bencher.bench(|| prior.denoise(&x, 0.1).expect("an image"));
}

#[divan::bench(args = ["fbp", "tv"], sample_count = 10)]
fn slice(bencher: Bencher, method: &str) {
    let case = Case::new();
    bencher.bench(|| case.run(method));
}

#[divan::bench(sample_count = 5)]
fn slice_by_score(bencher: Bencher) {
    let case = Case::new();
    bencher.bench(|| case.run("score"));
}

fn ratios() {
    let (prior, x, case) = (prior(), noisy(SIDE), Case::new());
    case.run("score");
    let calls = case.calls();
    ratio::head();
    ratio::print(vec![
        Ratio::new(
            (&format!("slice by score, {calls} calls"), || case.run("score")),
            ("as many denoiser calls", || prior.denoise(&x, 0.1)),
            calls as f64,
        ),
        Ratio::new(("slice by tv", || case.run("tv")), ("slice by fbp", || case.run("fbp")), 1.0),
    ]);
}
