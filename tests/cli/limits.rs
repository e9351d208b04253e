//! How much memory a file may take: what it holds, and not what it says.
#![cfg(unix)]

#[path = "../mutations/seeds.rs"]
mod seeds;

use super::common::{Folder, recon};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::process::{Command, Output};

/// Address space of the program in these tests, KiB.
const LIMIT: u32 = 500_000;

/// A NIfTI header for one volume of `f32`, and four bytes of no extension.
fn nifti(size: [i16; 3]) -> Vec<u8> {
    let mut header = vec![0; 352];
    header[..4].copy_from_slice(&348_i32.to_le_bytes());
    for (place, value) in [3, size[0], size[1], size[2], 1, 1, 1, 1].into_iter().enumerate() {
        header[40 + 2 * place..42 + 2 * place].copy_from_slice(&i16::to_le_bytes(value));
    }
    header[70..72].copy_from_slice(&16_i16.to_le_bytes());
    header[72..74].copy_from_slice(&32_i16.to_le_bytes());
    for place in 0..4 {
        header[76 + 4 * place..80 + 4 * place].copy_from_slice(&1_f32.to_le_bytes());
    }
    header[108..112].copy_from_slice(&352_f32.to_le_bytes());
    header[344..348].copy_from_slice(b"n+1\0");
    header
}

fn npy(shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend(u16::try_from(text.len()).expect("short").to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

fn packed(bytes: &[u8], zeros: usize) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).expect("in memory");
    for _ in 0..zeros {
        packer.write_all(&[0; 1 << 20]).expect("in memory");
    }
    packer.finish().expect("in memory")
}

/// The program with no more address space than [`LIMIT`].
fn limited(folder: &Folder, arguments: &str) -> Output {
    let program = recon("").get_program().to_string_lossy().into_owned();
    let line = format!("ulimit -v {LIMIT}; exec {program} {arguments}");
    Command::new("sh").args(["-c", &line]).current_dir(folder.path("")).output().expect("started")
}

/// One line on stderr, with this code.
fn refused(folder: &Folder, arguments: &str, code: i32) {
    let output = limited(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    assert!(said.starts_with("error: ") && said.lines().count() == 1, "{arguments}: {said}");
}

#[test]
fn what_a_file_claims_takes_no_memory() {
    let folder = Folder::new();
    for (name, bytes) in [
        ("a.npy", npy("(2000, 512, 512)")),
        ("b.npy", npy("(4000000000, 4000000000)")),
        ("a.nii", nifti([30_000, 30_000, 30_000])),
        ("b.nii", nifti([2_000, 2_000, 500])),
        ("c.nii.gz", packed(&nifti([2_000, 2_000, 500]), 0)),
        ("a.safetensors", [&(1_u64 << 40).to_le_bytes()[..], b"{}"].concat()),
    ] {
        folder.bytes(name, &bytes);
        refused(&folder, &format!("info {name}"), 3);
        refused(&folder, &format!("mri {name} -o out.npy"), 3);
    }
    // What follows the image is nobody's business.
    folder.bytes("long.nii.gz", &packed(&nifti([8, 8, 2]), 1024));
    assert!(limited(&folder, "info long.nii.gz").status.success());
}

#[test]
fn volumes_larger_than_the_memory_are_looked_through() {
    let folder = Folder::new();
    let values = 600 * 512 * 512 * 4;
    for (name, header) in [("a.npy", npy("(600, 512, 512)")), ("b.nii", nifti([512, 512, 600]))] {
        let path = folder.bytes(name, &header);
        let file = std::fs::File::options().write(true).open(path).expect("there");
        file.set_len(header.len() as u64 + values).expect("a file with a hole");
    }
    folder.bytes("c.nii.gz", &packed(&nifti([512, 512, 600]), 600));
    for name in ["a.npy", "b.nii", "c.nii.gz"] {
        let output = limited(&folder, &format!("info {name} --json"));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn decoders_that_give_up_say_nothing() {
    let folder = Folder::new();
    let [run_lengths, stream] = [0, 1].map(|number| seeds::of("dicom").swap_remove(number));
    let place = run_lengths.windows(4).rposition(|bytes| bytes == [0x81, 3, 0x81, 9]).expect("two runs");
    let with = |bytes: [u8; 4]| {
        let mut damaged = run_lengths.clone();
        damaged[place..place + 4].copy_from_slice(&bytes);
        damaged
    };
    for (name, bytes) in [
        ("short.dcm", with([0x80, 3, 0x80, 9])),
        ("beyond.dcm", with([0x7f, 3, 0x7f, 9])),
        ("long.dcm", with([0x01, 3, 0x81, 9])),
        ("stream.dcm", stream),
    ] {
        folder.bytes(name, &bytes);
        refused(&folder, &format!("info {name}"), 3);
    }
}
