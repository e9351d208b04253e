//! Every file of raw k-space of the collection is read, and its image is in the middle.

#[path = "../../tests/common/reference.rs"]
mod reference;

use ndarray::Array2;
use recon_data::raw::{RawKspace, looks_raw};

#[test]
fn reference_raw_kspace_is_read() {
    let Some(shared) = reference::shared() else { return };
    let folder = shared.join("data/kspace");
    let shapes = [
        ("h5/brain1_se_t1_sag_256x256.h5", [1, 1, 256, 256]),
        ("h5/knee1_larson_368x640.h5", [1, 1, 368, 640]),
        ("original/espirit_full.cfl", [1, 8, 230, 180]),
        ("original/espirit_full.hdr", [1, 8, 230, 180]),
        ("original/ismrmrd_mrireco_acqDataBrainSim100.h5", [1, 1, 256, 256]),
        ("original/sigpy_cartesian_ksp.npy", [1, 8, 230, 180]),
    ];
    for (name, shape) in shapes {
        let path = folder.join(name);
        let is_array = name.ends_with("npy");
        assert_eq!(looks_raw(&path), !is_array, "{name}");
        let raw = if is_array { RawKspace::open_array(&path) } else { RawKspace::open(&path) };
        let raw = raw.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(raw.shape(), shape, "{name}");
        let slice = raw.slice(0).unwrap_or_else(|error| panic!("{error}"));
        let energy = slice.fold_axis(ndarray::Axis(0), 0.0_f32, |sum, sample| sum + sample.norm_sqr());
        let (row, col) = largest(&energy);
        println!("{name}: {:?}, most energy at {row}, {col}", raw.info());
        let near = |at: usize, length: usize| at.abs_diff(length / 2) <= 5;
        assert!(near(row, shape[2]) && near(col, shape[3]), "{name}: {row}, {col}");
    }
}

fn largest(energy: &Array2<f32>) -> (usize, usize) {
    let most = energy.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1));
    most.map_or((0, 0), |(place, _)| place)
}
