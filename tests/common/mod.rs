//! Small images and the means to run the program on them.
#![allow(dead_code, reason = "every test file uses its own part")]

pub(crate) mod orthanc;
pub(crate) mod records;
mod reference;

pub(crate) use reference::shared;

use assert_cmd::Command;
use candle_core::Device;
use ndarray::{Array2, Array3, ArrayView, Dimension};
use recon::device::DeviceChoice;
use recon_data::{Overwrite, npy};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that goes away at the end of a test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// One whose name begins so.
    pub(crate) fn named(name: &str) -> Self {
        Self(tempfile::Builder::new().prefix(name).tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes an array and returns its path.
    pub(crate) fn array<D: Dimension>(&self, name: &str, array: ArrayView<'_, f32, D>) -> PathBuf {
        let path = self.path(name);
        npy::write_real(&path, array, Overwrite::Force).expect("written");
        path
    }

    /// Writes bytes and returns their path.
    pub(crate) fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// The names of everything in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("readable");
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The program, run in this folder.
    pub(crate) fn recon(&self, arguments: &str) -> Command {
        let mut command = recon(arguments);
        command.current_dir(self.0.path());
        command
    }
}

/// The program with these arguments, separated by spaces, without the caller's settings.
pub(crate) fn recon(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recon"));
    for (name, _) in std::env::vars() {
        if name.starts_with("RECON_") || name == "SLURM_CPUS_PER_TASK" {
            command.env_remove(name);
        }
    }
    command.args(arguments.split_whitespace());
    command
}

/// How often tests kill a process: `RECON_KILLS`, or `few`.
pub(crate) fn kills(few: usize) -> usize {
    std::env::var("RECON_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// A smooth body with two inserts, values from 0 to about 1; `shift` moves it, so that slices differ.
pub(crate) fn phantom(rows: usize, cols: usize, shift: f32) -> Array2<f32> {
    let blob = |i: usize, j: usize, row: f32, col: f32, width: f32| {
        let y = (i as f32 / rows as f32 - row) / width;
        let x = (j as f32 / cols as f32 - col) / width;
        (-(x * x + y * y)).exp()
    };
    Array2::from_shape_fn((rows, cols), |(i, j)| {
        0.6 * blob(i, j, 0.5, 0.5 + shift, 0.2) + 0.3 * blob(i, j, 0.4, 0.6, 0.08)
            - 0.2 * blob(i, j, 0.6, 0.4, 0.06)
    })
    .mapv_into(|value| if value < 1e-3 { 0.0 } else { value })
}

/// A stack of phantoms.
pub(crate) fn phantoms(slices: usize, rows: usize, cols: usize) -> Array3<f32> {
    let mut stack = Array3::zeros((slices, rows, cols));
    for (k, mut slice) in stack.outer_iter_mut().enumerate() {
        slice.assign(&phantom(rows, cols, k as f32 * 0.02));
    }
    stack
}

/// An array that the program wrote.
pub(crate) fn read(path: &Path) -> ndarray::ArrayD<f32> {
    npy::read_real(path).expect("readable")
}

/// `‖a − b‖ / ‖b‖`
pub(crate) fn relative_error(a: &ndarray::ArrayD<f32>, b: &ndarray::ArrayD<f32>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let difference = squares(&mut a.iter().zip(b).map(|(x, y)| f64::from(x - y)));
    (difference / squares(&mut b.iter().copied().map(f64::from))).sqrt()
}

/// Every device that networks can run on here, with its name. A missing GPU is reported past the harness's capture.
pub(crate) fn devices() -> Vec<(Device, String)> {
    let mut found = vec![DeviceChoice::Cpu.open().expect("the CPU is always there")];
    match DeviceChoice::Cuda(0).open() {
        Ok(gpu) => found.push(gpu),
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "skipped on the GPU: {failure}");
        }
    }
    found
}
