//! Raw files that are damaged or lie are refused in one line that names the file, and take no memory for what they claim.

#[allow(dead_code, reason = "each program uses a part of it")]
mod kspace;

use kspace::fixture;
use ndarray::{Array3, Array4};
use num_complex::Complex32;
use recon_data::raw::RawKspace;
use recon_data::{DataError, Overwrite, inspect, npy};
use std::path::Path;

/// Reads all that a file holds.
fn everything(path: &Path) -> Result<(), DataError> {
    let raw = RawKspace::open(path)?;
    raw.noise()?;
    for k in 0..raw.shape()[0] {
        raw.slice(k)?;
        raw.mask(k)?;
        raw.reference(k)?;
    }
    Ok(())
}

#[track_caller]
fn refused(path: &Path, part: &str) {
    let text = everything(path).expect_err("damaged").to_string();
    let folder = path.parent().unwrap().display().to_string();
    assert!(text.starts_with(&folder) && text.contains("; ") && text.lines().count() == 1, "{text}");
    assert!(text.contains(part), "{text}");
    inspect(path).map(|_| ()).unwrap_or_default();
}

#[test]
fn every_truncation_of_hdf5_is_refused_or_complete() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["fastmri_multi.h5", "fastmri_latest.h5", "ismrmrd_2d.h5"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let path = folder.path().join(name);
        let mut refusals = 0;
        for length in (0..bytes.len()).step_by(bytes.len() / 60) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            if let Err(error) = everything(&path) {
                refusals += 1;
                let text = error.to_string();
                assert!(text.starts_with(&path.display().to_string()) && text.lines().count() == 1, "{text}");
            }
        }
        assert!(refusals > 55, "{name}: {refusals}");
    }
}

/// A fixture with some of its bytes replaced, everywhere.
fn replaced(folder: &Path, name: &str, from: &[u8], to: &[u8]) -> std::path::PathBuf {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(fixture(name)).unwrap();
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, part)| *part == from).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "nothing to replace in {name}");
    places.iter().for_each(|&at| bytes[at..at + to.len()].copy_from_slice(to));
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn lengths(shape: &[u64]) -> Vec<u8> {
    shape.iter().flat_map(|length| length.to_le_bytes()).collect()
}

#[test]
fn lies_about_lengths_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lied = |name: &str, from: &[u64], to: &[u64], part: &str| {
        refused(&replaced(folder.path(), name, &lengths(from), &lengths(to)), part);
    };
    lied("fastmri_multi.h5", &[3, 2, 16, 10], &[3, 2, 16000, 10000], "far more than the file holds");
    lied("fastmri_multi.h5", &[3, 2, 16, 10], &[1 << 40, 2, 16, 10], "claims");
    lied("fastmri_multi.h5", &[3, 2, 16, 10], &[3, 0, 16, 10], "empty axis");
    lied("fastmri_single.h5", &[2, 12, 10], &[9, 12, 10], "claims");
    lied("fastmri_single.h5", &[2, 12, 10], &[u64::MAX, 12, 10], "claims");
}

#[test]
fn headers_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lied = |from: &str, to: &str, part: &str| {
        refused(&replaced(folder.path(), "ismrmrd_2d.h5", from.as_bytes(), to.as_bytes()), part);
    };
    lied("<encodedSpace><matrixSize><x>16</x><y>8", "<encodedSpace><matrixSize><x>16</x><y>5", "outside");
    lied("<encodedSpace><matrixSize><x>16", "<encodedSpace><matrixSize><x>12", "do not fit");
    lied("<encodedSpace><matrixSize><x>16", "<encodedSpace><matrixSize><x> 0", "encoded matrix");
    lied("cartesian", "spiral   ", "not Cartesian");
    lied("ismrmrdHeader", "ismrmrdFooter", "not ISMRMRD's");
}

#[test]
fn a_header_of_bart_that_does_not_match_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (data, header) = (folder.path().join("a.cfl"), folder.path().join("a.hdr"));
    std::fs::write(&data, [0; 8 * 24]).unwrap();
    let message = |text: &str, part: &str| {
        std::fs::write(&header, text).unwrap();
        refused(&data, part);
        refused(&header, part);
    };
    message("# Dimensions\n4 3 1 3\n", "192 bytes, but its .hdr asks for 288 bytes");
    message("# Dimensions\n4 3 1 0 2\n", "length 0");
    message("# Dimensions\n4 -3\n", "not a number");
    message("# Dimensions\n99999999999 99999999999 99999999999\n", "more than any file");
    message("# Dimensions\n24\n", "no plane");
    message("# Dimensions\n4 3 1 1 2\n", "dimension 4");
    message("# Dimensions\n", "not a header");
    message("# Command\n4 3 1 2\n", "not a header");
    std::fs::write(&header, "# Dimensions\n4 3 1 2\n").unwrap();
    assert_eq!(RawKspace::open(&data).unwrap().shape(), [1, 2, 4, 3]);
    std::fs::remove_file(&header).unwrap();
    refused(&data, "a.hdr: cannot be read");
}

#[test]
fn samples_that_are_no_numbers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.npy");
    let mut samples = Array4::<Complex32>::zeros((2, 1, 3, 3));
    samples[[1, 0, 2, 1]].im = f32::NAN;
    npy::write_complex(&path, samples.view(), Overwrite::Refuse).unwrap();
    let raw = RawKspace::open_array(&path).unwrap();
    assert_eq!(raw.slice(0).unwrap(), Array3::<Complex32>::zeros((1, 3, 3)));
    let text = raw.slice(1).unwrap_err().to_string();
    assert!(text.contains("1 samples of slice 1 are NaN"), "{text}");
    assert!(raw.slice(2).unwrap_err().to_string().contains("no slice 2"));
}

#[test]
fn other_hdf5_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    refused(
        &replaced(folder.path(), "fastmri_single.h5", b"kspace", b"images"),
        "without k-space that is known",
    );
    let path = folder.path().join("a.h5");
    std::fs::write(&path, b"\x89HDF\r\n\x1a\n").unwrap();
    refused(&path, "cannot be read as HDF5");
    refused(&folder.path().join("none.h5"), "cannot be read");
}
