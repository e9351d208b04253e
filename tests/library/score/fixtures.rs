//! Recorded numbers.

use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

/// The arrays of one file.
pub(crate) struct Record(HashMap<String, Tensor>);

impl Record {
    /// A file of `tests/fixtures/score`.
    pub(crate) fn fixture(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/score");
        Self::open(&folder.join(format!("{name}.safetensors"))).expect("fixture of the repository")
    }

    /// A file of the larger reference set beside the repository, where there is one.
    pub(crate) fn shared(name: &str) -> Option<Self> {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
        let root = std::env::var_os("RECON_SHARED").map_or_else(beside, PathBuf::from);
        let record = Self::open(&root.join("oracles").join(format!("{name}.safetensors")));
        if record.is_none() {
            // Past the capture of the test harness, which would hide it.
            let _ = writeln!(std::io::stderr(), "skipped: reference data not found ({name})");
        }
        record
    }

    fn open(path: &PathBuf) -> Option<Self> {
        path.exists().then(|| Self(candle_core::safetensors::load(path, &Device::Cpu).unwrap()))
    }

    pub(crate) fn get(&self, name: &str) -> &Tensor {
        self.0.get(name).unwrap_or_else(|| panic!("no array {name}"))
    }

    /// All values in row-major order.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        values(self.get(name))
    }

    /// The entries along the first axis.
    pub(crate) fn entries(&self, name: &str) -> Vec<Tensor> {
        let all = self.get(name);
        (0..all.dim(0).unwrap()).map(|i| all.get(i).unwrap().contiguous().unwrap()).collect()
    }
}

/// All values of a tensor, widened.
pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// `max |a − b| / max |b|`
pub(crate) fn relative_error(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let error = a.iter().zip(&b).fold(0.0, |m: f64, (a, b)| {
        assert!(a.is_finite());
        m.max((a - b).abs())
    });
    error / largest
}
