//! What is written of k-space and of images is read again.

#[allow(dead_code, reason = "each program uses a part of it")]
mod kspace;

use kspace::value;
use ndarray::{Array2, Array3};
use num_complex::Complex32;
use recon_data::Overwrite;
use recon_data::raw::{RawKspace, write_cfl, write_cfl_kspace, write_reconstruction};

#[test]
fn bart_is_written_as_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.cfl");
    let slice = |k: usize| Ok(Array3::from_shape_fn((2, 4, 5), |(c, i, j)| value(&[k, c, i, j])));
    write_cfl_kspace(&path, [3, 2, 4, 5], &slice, Overwrite::Refuse).unwrap();
    let raw = RawKspace::open(&path.with_extension("hdr")).unwrap();
    assert_eq!((raw.shape(), raw.slice(2).unwrap()), ([3, 2, 4, 5], slice(2).unwrap()));
    let again = write_cfl_kspace(&path, [3, 2, 4, 5], &slice, Overwrite::Refuse);
    assert!(again.unwrap_err().to_string().contains("exists already"));
    let image = |k: usize| Ok(Array2::from_shape_fn((4, 5), |(i, j)| value(&[k, i, j])));
    write_cfl(&path, [2, 4, 5], &image, Overwrite::Force).unwrap();
    let raw = RawKspace::open(&path).unwrap();
    assert_eq!(raw.slice(1).unwrap().index_axis(ndarray::Axis(0), 0), image(1).unwrap());
    let bad = |_| Ok(Array2::from_elem((4, 5), Complex32::new(f32::NAN, 0.0)));
    assert!(write_cfl(&path, [1, 4, 5], &bad, Overwrite::Force).is_err());
}

#[test]
fn hdf5_is_written_in_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.h5");
    let image = |k: usize| Ok(Array2::from_shape_fn((3, 4), |(i, j)| (100 * k + 10 * i + j) as f32));
    write_reconstruction(&path, [2, 3, 4], &image, Overwrite::Refuse).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"\x89HDF\r\n\x1a\n"));
    let values: Vec<f32> =
        bytes[bytes.len() - 96..].as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect();
    let expected: Vec<f32> = (0..2).flat_map(|k| image(k).unwrap().into_iter()).collect();
    assert_eq!(values, expected);
    // It opens as HDF5, and is told from k-space.
    let text = RawKspace::open(&path).err().unwrap().to_string();
    assert!(text.contains("without k-space that is known"), "{text}");
}
