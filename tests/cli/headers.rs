//! What headers say of place, scale and space, right and wrong.

use crate::common::{Folder, phantoms};
use ndarray::Array3;
use recon_data::{Geometry, Overwrite, Provenance, Source, Unit, Volume, write};

/// A small volume as `v.nii`, and its bytes.
fn nifti(folder: &Folder) -> Vec<u8> {
    let volume = Volume { voxels: phantoms(3, 16, 20), geometry: Geometry::default(), unit: Unit::Arbitrary };
    let path = folder.path("v.nii");
    write(&path, &volume, &Source::Npy, &Provenance::default(), Overwrite::Refuse).expect("written");
    std::fs::read(path).expect("readable")
}

/// A header with an affine of its own (`sform_code` 1, no quaternion), rows of x, y and z.
fn placed(header: &[u8], rows: [[f32; 4]; 3]) -> Vec<u8> {
    let mut bytes = header.to_vec();
    bytes[252..256].copy_from_slice(&[0, 0, 1, 0]);
    for (place, value) in rows.into_iter().flatten().enumerate() {
        bytes[280 + 4 * place..284 + 4 * place].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

const UPRIGHT: [[f32; 4]; 3] = [[-1.0, 0.0, 0.0, 10.0], [0.0, -1.0, 0.0, 20.0], [0.0, 0.0, 2.0, 5.0]];

fn short(bytes: &[u8], at: usize) -> i16 {
    i16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn said(folder: &Folder, arguments: &str) -> (Option<i32>, String) {
    let output = folder.recon(arguments).output().expect("started");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn refused(folder: &Folder, arguments: &str) -> String {
    let (code, text) = said(folder, arguments);
    assert!(
        code == Some(3) && text.starts_with("error: ") && text.lines().count() == 1,
        "{arguments}: {text}"
    );
    text
}

#[test]
fn affines_that_cannot_be_are_told() {
    let folder = Folder::new();
    let header = nifti(&folder);
    let [x, y, z] = UPRIGHT;
    for (name, rows) in
        [("flat", [x, y, [0.0; 4]]), ("doubled", [x, x, z]), ("endless", [x, [f32::NAN; 4], z])]
    {
        folder.bytes(&format!("{name}.nii"), &placed(&header, rows));
        let (code, text) = said(&folder, &format!("mri {name}.nii --method zero-filled -o {name}_out.nii"));
        assert!((code == Some(0) || code == Some(3)) && text.contains("affine"), "{name}: {text}");
    }
}

#[test]
fn what_dicom_cannot_say_is_not_written_as_dicom() {
    let folder = Folder::new();
    let header = nifti(&folder);
    let [x, y, z] = UPRIGHT;
    for (name, rows) in [
        ("rows", [[-1.0, 0.3, 0.0, 10.0], y, z]),
        ("slices", [x, [0.0, -1.0, 0.8, 20.0], z]),
        ("all", [[-1.0, 0.2, 0.1, 0.0], [0.1, -1.0, 0.4, 0.0], [0.3, 0.0, 2.0, 0.0]]),
    ] {
        folder.bytes(&format!("{name}.nii"), &placed(&header, rows));
        let (code, text) = said(&folder, &format!("mri {name}.nii --method zero-filled -q -o {name}"));
        assert!(
            code == Some(2) && text.contains("right angles") && text.lines().count() == 1,
            "{code:?} {text}"
        );
        assert!(!folder.path(name).exists());
    }
    folder.bytes("upright.nii", &placed(&header, UPRIGHT));
    folder.recon("mri upright.nii --method zero-filled -o upright").assert().success();
}

#[test]
fn some_slices_keep_the_space_of_all() {
    let folder = Folder::new();
    let header = nifti(&folder);
    for (sform, name) in [(1_u8, "scanner"), (4, "template"), (2, "aligned")] {
        let mut bytes = placed(&header, UPRIGHT);
        bytes[254] = sform;
        folder.bytes(&format!("{name}.nii"), &bytes);
        folder
            .recon(&format!("mri {name}.nii --slices 1..3 --method zero-filled -o {name}_out.nii"))
            .assert()
            .success();
        let out = std::fs::read(folder.path(&format!("{name}_out.nii"))).expect("readable");
        assert_eq!(short(&out, 254), i16::from(sform), "{name}");
        // The second slice is the first one now: z = 5 mm + one step of 2 mm.
        let z = f32::from_le_bytes(out[324..328].try_into().expect("four bytes"));
        assert!((z - 7.0).abs() < 1e-5, "{name}: {z}");
    }
}

#[test]
fn arrays_claim_no_place_and_mirrored_images_are_not_compared() {
    let folder = Folder::new();
    let header = nifti(&folder);
    for (name, images) in [("one", 1), ("two", 2)] {
        folder.array(&format!("{name}.npy"), phantoms(images, 16, 16).view());
        folder.recon(&format!("mri {name}.npy --method zero-filled -o {name}.nii")).assert().success();
        let out = std::fs::read(folder.path(&format!("{name}.nii"))).expect("readable");
        assert!(short(&out, 252) != 1 && short(&out, 254) != 1, "{name}");
    }
    let [x, y, z] = UPRIGHT;
    let mirrored =
        [[[1.0, 0.0, 0.0, -9.0], y, z], [x, [0.0, 1.0, 0.0, 5.0], z], [x, y, [0.0, 0.0, -2.0, 9.0]]];
    folder.bytes("a.nii", &placed(&header, UPRIGHT));
    assert_eq!(said(&folder, "compare a.nii a.nii"), (Some(0), String::new()));
    for rows in mirrored {
        folder.bytes("b.nii", &placed(&header, rows));
        let (code, text) = said(&folder, "compare a.nii b.nii");
        assert!(code == Some(3) || text.contains("warning"), "{code:?} {text}");
    }
}

#[test]
fn values_that_overflow_are_refused_when_they_are_read() {
    let folder = Folder::new();
    let header = nifti(&folder);
    for (name, slope, intercept) in
        [("slope", 3e38_f32, 0.0_f32), ("intercept", 1.0, f32::INFINITY), ("both", -3e38, -3e38)]
    {
        let mut bytes = header.clone();
        bytes[112..116].copy_from_slice(&slope.to_le_bytes());
        bytes[116..120].copy_from_slice(&intercept.to_le_bytes());
        for value in bytes[352..].chunks_exact_mut(4) {
            value.copy_from_slice(&7_f32.to_le_bytes());
        }
        folder.bytes(&format!("{name}.nii"), &bytes);
        refused(&folder, &format!("info {name}.nii"));
        refused(&folder, &format!("mri {name}.nii --method zero-filled -o {name}.npy"));
    }
    folder.array("inf.npy", Array3::from_elem((1, 8, 8), f32::INFINITY).view());
    refused(&folder, "mri inf.npy --method zero-filled -o inf_out.npy");
}

#[test]
fn results_are_called_by_how_they_were_made() {
    let folder = Folder::new();
    folder.array("i.npy", phantoms(1, 24, 24).view());
    folder.recon("ct i.npy --unit hu --method fbp -q -o ct.dcm").assert().success();
    folder.recon("mri i.npy --method zero-filled -q -o mr.dcm").assert().success();
    // The codes of the standard for filtered back-projection and for iterative reconstruction.
    let codes = [&b"113962"[..], b"113963"];
    for (arguments, expected) in [
        ("ct ct.dcm --method fbp", [true, false]),
        ("ct ct.dcm --views 8 --method tv", [false, true]),
        ("ct ct.dcm --views 8 --method fista-tv", [false, true]),
        ("mri mr.dcm --method zero-filled", [false, false]),
        ("mri mr.dcm --method l1-wavelet", [false, true]),
    ] {
        folder.recon(&format!("{arguments} -q -o out.dcm --force")).assert().success();
        let bytes = std::fs::read(folder.path("out.dcm")).expect("written");
        let found = codes.map(|code| bytes.windows(6).any(|word| word == code));
        assert_eq!(found, expected, "{arguments}");
    }
}
