//! Raw k-space of every format gives the images that its fixture was made from.

mod kspace;

use kspace::{assert_images, fixture, image_of, value};
use ndarray::{Array4, Axis, ShapeBuilder, s};
use num_complex::Complex32;
use recon_data::raw::{Frame, PhaseAxis, RawKspace, looks_raw};
use recon_data::{Overwrite, inspect, npy};

fn opened(name: &str) -> RawKspace {
    RawKspace::open(&fixture(name)).expect("readable")
}

#[test]
fn fastmri_of_one_coil_has_its_mask_and_its_reference() {
    let raw = opened("fastmri_single.h5");
    assert_eq!(raw.shape(), [2, 1, 12, 10]);
    let info = raw.info();
    assert_eq!((info.phase_axis, info.mask.as_deref()), (PhaseAxis::Cols, Some("7 of 10 columns")));
    assert_eq!((info.reference.as_deref(), info.recon_matrix), (Some("reconstruction_esc"), [8, 8]));
    let mask = raw.mask(1).unwrap().unwrap();
    let slice = raw.slice(1).unwrap();
    for ((_, row, col), sample) in slice.indexed_iter() {
        assert_eq!(mask[[row, col]], col % 3 != 1);
        assert_eq!(*sample != Complex32::ZERO, mask[[row, col]], "{row} {col}");
    }
    let reference = raw.reference(1).unwrap().unwrap();
    assert_eq!((reference.dim(), reference[[0, 0]], reference[[7, 6]]), ((8, 8), 64.0, 126.0));
}

#[test]
fn fastmri_of_several_coils_loses_its_oversampling() {
    let raw = opened("fastmri_multi.h5");
    assert_eq!(raw.shape(), [3, 2, 8, 10]);
    let info = raw.info();
    assert_eq!((info.matrix, info.recon_matrix, info.oversampling), ([16, 10], [8, 8], 2.0));
    assert_eq!((info.phase_axis, info.plan.len()), (PhaseAxis::Cols, 1));
    for k in [2, 0] {
        assert_images(&raw.slice(k).unwrap(), |coil, row, col| value(&[k, coil, row + 4, col]));
    }
}

#[test]
fn newer_hdf5_with_big_endian_doubles_is_read() {
    let raw = opened("fastmri_latest.h5");
    assert_eq!(raw.shape(), [3, 2, 6, 8]);
    for k in 0..3 {
        assert_images(&raw.slice(k).unwrap(), |coil, row, col| value(&[k, coil, row, col]));
    }
    assert!(raw.mask(0).unwrap().is_none() && raw.reference(0).unwrap().is_none());
}

#[test]
fn ismrmrd_sums_averages_and_places_lines() {
    let raw = opened("ismrmrd_2d.h5");
    assert_eq!(raw.shape(), [4, 2, 8, 8]);
    let info = raw.info();
    assert_eq!((info.repetitions, info.averages, info.noise), (2, 2, Some(32)));
    assert_eq!((info.matrix, info.recon_matrix, info.oversampling), ([8, 16], [8, 8], 2.0));
    assert_eq!((info.phase_axis, info.warnings.len()), (PhaseAxis::Rows, 1));
    assert_eq!(raw.frame(3), Frame { repetition: 1, slice: 1, ..Frame::default() });
    let full = value_kspace();
    for k in 0..4 {
        let (repetition, slice) = (k / 2, k % 2);
        let found = raw.slice(k).unwrap();
        let mask = raw.mask(k).unwrap().unwrap();
        let expected = full(repetition, slice);
        assert_eq!(mask.column(3).to_vec(), (0..8).map(|y| y != 2 && y != 7).collect::<Vec<_>>());
        for ((coil, row, col), sample) in found.indexed_iter() {
            let whole = if mask[[row, col]] { expected[[coil, row, col]] } else { Complex32::ZERO };
            assert!((sample - whole).norm() < 1e-4, "{k}: {coil} {row} {col}: {sample} for {whole}");
        }
    }
}

/// K-space of repetition and slice of `ismrmrd_2d.h5`, of the middle half of the readout, from the images.
fn value_kspace() -> impl Fn(usize, usize) -> ndarray::Array3<Complex32> {
    |repetition, slice| {
        let mut out = ndarray::Array3::zeros((2, 8, 8));
        for coil in 0..2 {
            let image = ndarray::Array2::from_shape_fn((8, 8), |(row, col)| {
                value(&[repetition, slice, coil, row, col + 4])
            });
            // The transform is its own inverse but for the sign of the frequency.
            let flipped = image_of(&image.mapv(|value| value.conj()).view());
            out.index_axis_mut(Axis(0), coil).assign(&flipped.mapv(|value| value.conj()));
        }
        out
    }
}

#[test]
fn the_noise_scan_is_apart() {
    let noise = opened("ismrmrd_2d.h5").noise().unwrap().unwrap();
    assert_eq!((noise.samples.dim(), noise.variance_scale), ((2, 32), 2.0));
    assert!(noise.samples.indexed_iter().all(|((coil, n), sample)| *sample == value(&[coil, n])));
    assert!(opened("fastmri_multi.h5").noise().unwrap().is_none());
}

#[test]
fn three_dimensions_become_slices_along_the_readout() {
    let raw = opened("ismrmrd_3d.h5");
    let bart = opened("bart_3d.hdr");
    assert_eq!((raw.shape(), bart.shape()), ([8, 2, 6, 5], [8, 2, 6, 5]));
    assert!(raw.info().three_dimensional && bart.info().three_dimensional);
    for x in [3, 0, 7] {
        assert_images(&bart.slice(x).unwrap(), |coil, row, col| value(&[coil, row, col, x]));
        let (mut expected, found) = (bart.slice(x).unwrap(), raw.slice(x).unwrap());
        let mask = raw.mask(x).unwrap().unwrap();
        assert_eq!(mask.iter().filter(|taken| !**taken).count(), 1);
        expected.slice_mut(s![.., 1, 2]).fill(Complex32::ZERO);
        assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).norm() < 1e-5));
        assert_eq!(raw.frame(x).slice, x);
    }
}

#[test]
fn bart_is_read_in_its_order() {
    let raw = opened("bart.cfl");
    assert_eq!(raw.shape(), [6, 2, 4, 3]);
    for k in 0..6 {
        let Frame { slice, contrast, .. } = raw.frame(k);
        assert_eq!(slice + 3 * contrast, k);
        let found = raw.slice(k).unwrap();
        assert!(
            found.indexed_iter().all(|((c, i, j), sample)| *sample == value(&[slice, contrast, c, i, j]))
        );
    }
}

#[test]
fn arrays_are_read_in_both_orders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.npy");
    let array = Array4::from_shape_fn((2, 3, 4, 5), |(s, c, i, j)| value(&[s, c, i, j]));
    npy::write_complex(&path, array.view(), Overwrite::Refuse).unwrap();
    let raw = RawKspace::open_array(&path).unwrap();
    assert_eq!((raw.shape(), raw.slice(1).unwrap()), ([2, 3, 4, 5], array.index_axis(Axis(0), 1).to_owned()));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|part| part == b"False").unwrap();
    bytes[at..at + 5].copy_from_slice(b" True");
    let columns = Array4::from_shape_vec((2, 3, 4, 5).f(), array.iter().copied().collect()).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let raw = RawKspace::open_array(&path).unwrap();
    assert_eq!(raw.slice(0).unwrap(), columns.index_axis(Axis(0), 0));
    npy::write_real(&path, ndarray::arr2(&[[1.0, 2.0]]).view(), Overwrite::Force).unwrap();
    assert!(RawKspace::open_array(&path).err().unwrap().to_string().contains("real numbers"));
}

#[test]
fn raw_files_are_recognised_and_described() {
    for name in ["fastmri_multi.h5", "ismrmrd_2d.h5", "bart.cfl", "bart.hdr"] {
        let path = fixture(name);
        assert!(looks_raw(&path), "{name}");
        let (info, raw) = (inspect(&path).unwrap(), RawKspace::open(&path).unwrap());
        let described = info.raw.expect("raw");
        assert_eq!((info.shape, info.slices), (raw.shape().to_vec(), raw.shape()[0]));
        assert_eq!(described.coils, 2);
    }
    assert!(!looks_raw(&fixture("make.py")) && !looks_raw(&fixture("none.h5")));
}
