//! Reading of the reference arrays.

use ndarray::{Array2, ArrayD, Ix2};
use num_complex::Complex32;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A safetensors file in memory.
pub(crate) struct Arrays(Vec<u8>);

impl Arrays {
    fn read(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }
    /// An array of f64, or of f32 widened.
    pub(crate) fn wide(&self, name: &str) -> ArrayD<f64> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        let bytes = tensor.data();
        let values = match tensor.dtype() {
            Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            Dtype::F32 => {
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect()
            }
            other => panic!("{name} is {other:?}"),
        };
        ArrayD::from_shape_vec(tensor.shape(), values).unwrap()
    }
    pub(crate) fn real(&self, name: &str) -> ArrayD<f32> {
        self.wide(name).mapv(|value| value as f32)
    }
    pub(crate) fn image(&self, name: &str) -> Array2<f32> {
        self.real(name).into_dimensionality::<Ix2>().unwrap()
    }
    /// The `index`-th (row, col) array of a [.., row, col, 2] array of real and imaginary parts.
    pub(crate) fn complex(&self, name: &str, index: usize) -> Array2<Complex32> {
        let parts = self.real(name);
        let (rows, cols) = (parts.shape()[1], parts.shape()[2]);
        Array2::from_shape_fn((rows, cols), |(i, j)| {
            Complex32::new(parts[[index, i, j, 0]], parts[[index, i, j, 1]])
        })
    }
    pub(crate) fn angles(&self) -> Vec<f64> {
        self.wide("angles_deg").iter().map(|angle| angle.to_radians()).collect()
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn arrays(name: &str) -> Arrays {
    Arrays::read(&fixture(&format!("{name}.safetensors")))
}

pub(crate) fn json(name: &str) -> Value {
    parse(&fixture(&format!("{name}.json")))
}

fn parse(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A pair of the reference data in this folder.
pub(crate) fn reference(shared: &Path, name: &str) -> (Arrays, Value) {
    let path = shared.join("oracles").join(name);
    (Arrays::read(&path.with_extension("safetensors")), parse(&path.with_extension("json")))
}

/// `‖a − b‖ / ‖b‖`
pub(crate) fn relative(a: &Array2<f32>, b: &Array2<f32>) -> f64 {
    let sum = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    sum(&mut a.iter().zip(b).map(|(&a, &b)| f64::from(a - b))) / sum(&mut b.iter().map(|&b| f64::from(b)))
}
