//! Bad input: the agreed exit code, one line that says what to do, and nothing written.

use crate::common::{Folder, phantom, phantoms};
use ndarray::{Array2, Array4};
use num_complex::Complex32;
use recon_data::{Overwrite, npy};

/// Runs the program and checks its end: the code, exactly one line beginning with `error: `, no new files.
fn fails(folder: &Folder, arguments: &str, code: i32) {
    let before = folder.names();
    let output = folder.recon(arguments).output().expect("ran");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments}\n{log}");
    let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{arguments}\n{log}");
    assert!(errors[0].contains("; "), "{arguments}: says not what to do: {}", errors[0]);
    assert_eq!(log.lines().last(), errors.last().copied(), "{arguments}\n{log}");
    assert!(output.stdout.is_empty(), "{arguments}: something on stdout");
    assert_eq!(folder.names(), before, "{arguments}: left a file behind");
}

fn good(folder: &Folder) {
    folder.array("good.npy", phantom(16, 16, 0.0).view());
}

#[test]
fn usage_errors_end_with_2() {
    let folder = Folder::new();
    good(&folder);
    for arguments in [
        "ct good.npy --views 0",
        "ct good.npy --views -3",
        "ct good.npy --views many",
        "ct",
        "ct good.npy --method magic",
        "ct good.npy --samples 0",
        "ct good.npy --threads 0",
        "ct good.npy --method fbp --steps 9",
        "ct good.npy --method fbp --model ct",
        "ct good.npy --method fbp --unit arbitrary --photons 1e4",
        "ct good.npy --photons 0",
        "ct good.npy --method score --snr 0.2",
        "ct good.npy --method pc --lambda 1.5",
        "ct good.npy --device gpu",
        "ct good.npy --slices 3..2",
        "ct good.npy --method fbp --slices 1..2",
        "ct good.npy --method fbp -o out.jpeg",
        "ct good.npy --method fbp -o no/such/folder/out.npy",
        "ct --sinogram good.npy --method fbp",
        "ct --sinogram good.npy --size 0x4 --method fbp",
        "mri good.npy --accel 0.5",
        "mri good.npy --accel nan",
        "mri good.npy --center-fraction 2",
        "mri good.npy --mask spiral",
        "simulate ct good.npy --views 3 -o out.nii",
        "compare good.npy",
        "completions klingon",
        "ct good.npy --quiet --verbose",
    ] {
        fails(&folder, arguments, 2);
    }
}

#[test]
fn missing_and_damaged_files_end_with_3() {
    let folder = Folder::new();
    good(&folder);
    std::fs::create_dir(folder.path("empty")).expect("made");
    let whole = std::fs::read(folder.path("good.npy")).expect("there");
    folder.bytes("truncated.npy", &whole[..whole.len() - 40]);
    folder.bytes("header.npy", &whole[..20]);
    folder.bytes("nothing.npy", b"");
    folder.bytes("text.npy", b"these are no numbers at all");
    folder.bytes("text.dcm", b"nor is this an image of a patient");
    folder.bytes("text.nii.gz", b"\x1f\x8bnor this");
    for input in [
        "missing.npy",
        "empty",
        "truncated.npy",
        "header.npy",
        "nothing.npy",
        "text.npy",
        "text.dcm",
        "text.nii.gz",
    ] {
        fails(&folder, &format!("ct {input} --method fbp -o out.npy"), 3);
        fails(&folder, &format!("mri {input} --method zero-filled -o out.npy"), 3);
        fails(&folder, &format!("info {input}"), 3);
    }
    fails(&folder, "ct --sinogram truncated.npy --size 8x8 --method fbp -o out.npy", 3);
    fails(&folder, "mri --kspace missing.npy --method tv -o out.npy", 3);
    fails(&folder, "compare good.npy missing.npy --json", 3);
}

#[test]
fn values_and_axes_that_cannot_be_used_end_with_3() {
    let folder = Folder::new();
    let mut hole = phantom(16, 16, 0.0);
    hole[[3, 4]] = f32::NAN;
    folder.array("nan.npy", hole.view());
    folder.array("four.npy", Array4::<f32>::zeros((2, 2, 8, 8)).view());
    folder.array("none.npy", Array2::<f32>::zeros((0, 8)).view());
    let complex = Array2::from_elem((8, 8), Complex32::new(1.0, 1.0));
    npy::write_complex(&folder.path("complex.npy"), complex.view(), Overwrite::Refuse).expect("written");
    for input in ["nan.npy", "four.npy", "none.npy", "complex.npy"] {
        fails(&folder, &format!("ct {input} --method fbp -o out.npy"), 3);
    }
    for input in ["nan.npy", "four.npy", "none.npy"] {
        fails(&folder, &format!("ct --sinogram {input} --size 8x8 --method fbp -o out.npy"), 3);
        fails(&folder, &format!("mri --kspace {input} --method zero-filled -o out.npy"), 3);
        fails(&folder, &format!("simulate mri {input} -o out.npy"), 3);
    }
}

#[test]
fn inputs_that_contradict_each_other_end_with_3() {
    let folder = Folder::new();
    good(&folder);
    folder.array("volume.npy", phantoms(2, 16, 16).view());
    folder.array("angles.npy", Array2::<f32>::zeros((1, 15)).view());
    folder.array("wide.npy", Array2::<f32>::ones((16, 17)).view());
    folder.array("halves.npy", Array2::<f32>::from_elem((16, 16), 0.5).view());
    folder.array("zeros.npy", Array2::<f32>::zeros((16, 16)).view());
    for arguments in [
        "ct --sinogram good.npy --angles angles.npy --size 16x16 --method fbp -o out.npy",
        "ct --sinogram good.npy --mask wide.npy --size 16x16 --method fbp -o out.npy",
        "ct good.npy --method fbp --reference volume.npy -o out.npy",
        "mri --kspace good.npy --mask wide.npy --method zero-filled -o out.npy",
        "mri --kspace good.npy --mask halves.npy --method zero-filled -o out.npy",
        "mri --kspace good.npy --mask zeros.npy --method zero-filled -o out.npy",
        "mri --kspace zeros.npy --method zero-filled -o out.npy",
        "mri good.npy --mask wide.npy --method zero-filled -o out.npy",
        "mri good.npy --mask-offset 99 --method zero-filled -o out.npy",
        "mri good.npy --accel 8 --center-fraction 0.9 --method zero-filled -o out.npy",
        "mar good.npy --method li -o out.npy",
        "mar good.npy --metal-mask wide.npy --method li -o out.npy",
        "compare good.npy volume.npy",
    ] {
        fails(&folder, arguments, 3);
    }
}

#[test]
fn models_that_do_not_fit_end_with_3() {
    let folder = Folder::new();
    good(&folder);
    std::fs::create_dir(folder.path("model")).expect("made");
    fails(&folder, "ct good.npy --model mr -o out.npy", 3);
    fails(&folder, "mri good.npy --model ct -o out.npy", 3);
    fails(&folder, "ct good.npy --model no-such-model -o out.npy", 3);
    fails(&folder, "ct good.npy --model model -o out.npy", 3);
    std::fs::write(folder.path("model/manifest.toml"), recon_data::weights::CT.manifest).expect("written");
    let mut weights = recon_data::weights::CT.weights.expect("shipped").to_vec();
    let middle = weights.len() / 2;
    weights[middle] ^= 0x40;
    std::fs::write(folder.path("model/weights.safetensors"), &weights).expect("written");
    fails(&folder, "ct good.npy --model model -o out.npy", 3);
    weights.truncate(middle);
    std::fs::write(folder.path("model/weights.safetensors"), &weights).expect("written");
    fails(&folder, "ct good.npy --model model -o out.npy", 3);
}

#[test]
fn existing_outputs_end_with_5_before_any_work() {
    let folder = Folder::new();
    good(&folder);
    folder.bytes("there.npy", b"precious");
    folder.bytes("there.json", b"precious");
    folder.bytes("p.png", b"precious");
    for arguments in [
        "ct good.npy --method fbp -o there.npy",
        "ct good.npy --method fbp -o there.nii",
        "ct good.npy --method fbp -o out.npy --preview p.png",
        "simulate ct good.npy --views 3 -o there.npy",
        "simulate mri good.npy --mask-out there.npy -o out.npy",
    ] {
        fails(&folder, arguments, 5);
    }
    for name in ["there.npy", "there.json", "p.png"] {
        assert_eq!(std::fs::read(folder.path(name)).expect("there"), b"precious", "{name}");
    }
}

#[test]
fn a_device_that_is_not_there_ends_with_6() {
    let folder = Folder::new();
    good(&folder);
    fails(&folder, "ct good.npy --device cuda:999 -o out.npy", 6);
}

#[test]
fn nifti_files_that_are_not_supported_end_with_3() {
    let folder = Folder::new();
    good(&folder);
    folder.recon("ct good.npy --method fbp -o image.nii").assert().success();
    let nifti = std::fs::read(folder.path("image.nii")).expect("there");
    let with = |name: &str, changes: &[(usize, i16)]| {
        let mut bytes = nifti.clone();
        for &(at, value) in changes {
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        folder.bytes(name, &bytes);
    };
    // dim[0] at byte 40, dim[4] at 48, datatype at 70, bitpix at 72
    with("four.nii", &[(40, 4), (48, 3)]);
    with("complex.nii", &[(70, 32), (72, 64)]);
    with("huge.nii", &[(42, 32000), (44, 32000)]);
    folder.bytes("short.nii", &nifti[..nifti.len() - 9]);
    for input in ["four.nii", "complex.nii", "huge.nii", "short.nii"] {
        fails(&folder, &format!("mri {input} --method zero-filled -o out.nii"), 3);
    }
}
