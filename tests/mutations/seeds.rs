//! Good files to be damaged, small ones of every kind.

use ndarray::{Array2, Array3};
use num_complex::Complex32;
use recon_data::{Geometry, Overwrite, Provenance, Source, Unit, Volume, npy, write};
use std::io::Write as _;
use std::path::Path;

const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const RLE: &str = "1.2.840.10008.1.2.5";
const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";
const IMPLICIT: &str = "1.2.840.10008.1.2";

/// The files of a target.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints");
    let fixture = |name: &str| std::fs::read(fixtures.join(name)).expect("a fixture");
    match target {
        "dicom" => dicom(folder.path()),
        "nifti" => {
            [Unit::Arbitrary, Unit::Hounsfield].map(|unit| volume(folder.path(), "a.nii", unit)).into()
        }
        "npy" => arrays(folder.path()),
        "hdf5" => {
            ["fastmri_single.h5", "fastmri_multi.h5", "fastmri_latest.h5", "ismrmrd_2d.h5", "ismrmrd_3d.h5"]
                .map(raw)
                .into()
        }
        "cfl" => ["bart", "bart_3d"].map(|name| pair(&format!("{name}.hdr"), &format!("{name}.cfl"))).into(),
        "safetensors" => vec![safetensors()],
        "pickle" => vec![fixture("zip.pth"), fixture("legacy.pth")],
        "flax" => vec![fixture("state.flax")],
        "manifest" => vec![recon_data::weights::CT.manifest.into(), recon_data::weights::MR.manifest.into()],
        "case" => cases(),
        _ => panic!("{target} has no seeds"),
    }
}

/// A small file of raw k-space.
fn raw(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/tests/fixtures/raw");
    std::fs::read(folder.join(name)).expect("a fixture")
}

/// Both files of a pair, a zero byte between them.
fn pair(header: &str, data: &str) -> Vec<u8> {
    [raw(header), vec![0], raw(data)].concat()
}

fn volume(folder: &Path, name: &str, unit: Unit) -> Vec<u8> {
    let voxels = Array3::from_shape_fn((1, 8, 6), |(_, i, j)| (10 * i + j) as f32 - 20.0);
    let volume = Volume { voxels, geometry: Geometry::default(), unit };
    let path = folder.join(name);
    let written = write(&path, &volume, &Source::Npy, &Provenance::default(), Overwrite::Force);
    std::fs::read(&written.expect("written")[0]).expect("readable")
}

/// CT and MR, deflated, run-length encoded, and a stream of JPEG 2000 that ends early.
fn dicom(folder: &Path) -> Vec<Vec<u8>> {
    let plain = volume(folder, "a.dcm", Unit::Hounsfield);
    let (group_end, data) = data_set(&plain);
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    deflater.write_all(&plain[data..]).expect("in memory");
    let deflated = with_syntax(&plain[..group_end], DEFLATED, &deflater.finish().expect("in memory"));
    let compressed = |syntax: &str, fragment: &[u8]| {
        with_syntax(&plain[..group_end], syntax, &encapsulated(&plain[data..], fragment))
    };
    let mut run_lengths = vec![0; 64];
    run_lengths[0] = 2;
    run_lengths[4] = 64;
    run_lengths[8] = 66;
    run_lengths.extend([0x81, 3, 0x81, 9]);
    let mut stream = b"\xff\x4f\xff\x51\0\x29\0\0".to_vec();
    for number in [6_u32, 8, 0, 0, 6, 8, 0, 0] {
        stream.extend(number.to_be_bytes());
    }
    stream.extend([0, 1, 15, 1, 1]);
    vec![
        compressed(RLE, &run_lengths),
        compressed(JPEG_2000, &stream),
        with_syntax(&plain[..group_end], IMPLICIT, b"\x08\0\x60\0\x02\0\0\0CT\x28\0\x10\0\x02\0\0\0\x04\0"),
        volume(folder, "b.dcm", Unit::Arbitrary),
        deflated,
        plain,
    ]
}

/// Where the transfer syntax begins, and where the data set does.
fn data_set(file: &[u8]) -> (usize, usize) {
    let length = u32::from_le_bytes(file[140..144].try_into().expect("four bytes")) as usize;
    let syntax = file.windows(6).position(|bytes| bytes == b"\x02\0\x10\0UI").expect("a transfer syntax");
    (syntax, 144 + length)
}

/// A file meta group up to its transfer syntax, which ends it, and a data set.
fn with_syntax(head: &[u8], syntax: &str, data: &[u8]) -> Vec<u8> {
    let mut file = head.to_vec();
    let mut uid = syntax.as_bytes().to_vec();
    uid.resize(uid.len().next_multiple_of(2), 0);
    file.extend(b"\x02\0\x10\0UI");
    file.extend((uid.len() as u16).to_le_bytes());
    file.extend(uid);
    let length = (file.len() - 144) as u32;
    file[140..144].copy_from_slice(&length.to_le_bytes());
    file.extend(data);
    file
}

/// The data set with its pixels as one fragment.
fn encapsulated(data: &[u8], fragment: &[u8]) -> Vec<u8> {
    let pixels = data.windows(6).position(|bytes| bytes == b"\xe0\x7f\x10\0OW").expect("pixels");
    let mut out = data[..pixels].to_vec();
    out.extend(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0");
    let mut fragment = fragment.to_vec();
    fragment.resize(fragment.len().next_multiple_of(2), 0);
    out.extend((fragment.len() as u32).to_le_bytes());
    out.extend(fragment);
    out.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    out
}

fn arrays(folder: &Path) -> Vec<Vec<u8>> {
    let path = folder.join("a.npy");
    let read = || std::fs::read(&path).expect("readable");
    let image = Array2::from_shape_fn((5, 4), |(i, j)| (i + j) as f32);
    npy::write_real(&path, image.view(), Overwrite::Force).expect("written");
    let real = read();
    npy::write_complex(&path, image.mapv(|x| Complex32::new(x, 1.0)).view(), Overwrite::Force)
        .expect("written");
    let complex = read();
    npy::write_mask(&path, image.mapv(|x| x > 2.0).view(), Overwrite::Force).expect("written");
    vec![real, complex, read()]
}

fn safetensors() -> Vec<u8> {
    let header = br#"{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"F16","shape":[3],"data_offsets":[16,22]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend([0; 22]);
    bytes
}

fn cases() -> Vec<Vec<u8>> {
    let ct = "schema = 1\nseed = 3\nbudget = 2.5\n[input]\nkind = \"image\"\npath = \"a.npy\"\n[task]\nname = \"ct\"\nviews = 9\n\
              [method]\nmethod = \"score\"\nsteps = 4\n[output]\nimage = \"b.npy\"\n";
    let mri = "schema = 1\n[input]\nkind = \"kspace\"\npath = \"k.npy\"\nmask = \"m.npy\"\n[task]\nname = \"mri\"\n[method]\n\
               method = \"tv\"\n[output]\nimage = \"b.nii\"\nquantiles = true\n";
    [ct, mri].map(|text| text.as_bytes().to_vec()).into()
}
