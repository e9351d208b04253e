//! Raw k-space of several coils through the program.

use super::common::{Folder, phantom, read};
use ndarray::{Array2, Array3, ArrayD, Axis};
use num_complex::Complex32;
use recon_data::raw::write_cfl_kspace;
use recon_data::{Overwrite, npy};
use recon_operators::{LinearOperator, Sense, birdcage};

const COILS: usize = 6;
const SHAPE: (usize, usize) = (56, 48);

/// The image, and its k-space as six coils see it.
fn seen() -> (Array2<f32>, Array3<Complex32>) {
    let (rows, cols) = SHAPE;
    // Edges, which lines outside of the centre are needed for.
    let image = Array2::from_shape_fn(SHAPE, |(i, j)| {
        let (y, x) = (i as f32 / rows as f32 - 0.5, j as f32 / cols as f32 - 0.5);
        let inside = y * y / 0.16 + x * x / 0.12 < 1.0;
        if !inside {
            0.0
        } else if (j / 3) % 2 == 0 && y.abs() < 0.2 {
            0.5
        } else {
            1.0
        }
    });
    // A smooth phase, as every measured image has.
    let wave = |(i, j): (usize, usize)| Complex32::cis(0.02 * i as f32 - 0.03 * j as f32);
    let complex = Array2::from_shape_fn(SHAPE, |at| image[at] * wave(at));
    let sense = Sense::new(birdcage(COILS, rows, cols)).expect("maps");
    // As bright as the root of the sum of squares over coils.
    let shown = &image * &sense.energy().mapv(f32::sqrt);
    (shown, sense.forward(&complex))
}

fn sidecar(folder: &Folder, name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.path(name)).expect("a sidecar")).expect("one JSON object")
}

fn begun() -> (Folder, Array2<f32>) {
    let folder = Folder::new();
    let (image, kspace) = seen();
    let (rows, cols) = SHAPE;
    write_cfl_kspace(
        &folder.path("scan.cfl"),
        [1, COILS, rows, cols],
        &|_| Ok(kspace.clone()),
        Overwrite::Refuse,
    )
    .expect("written");
    npy::write_complex(&folder.path("scan.npy"), kspace.view(), Overwrite::Refuse).expect("written");
    (folder, image)
}

/// `‖a − b‖/‖b‖` where b is not dark: nothing is known of coils where there is no signal.
fn error(found: &ArrayD<f32>, image: &Array2<f32>) -> f32 {
    let (mut left, mut all) = (0.0, 0.0);
    for (found, &value) in found.iter().zip(image).filter(|(_, value)| **value > 0.05) {
        left += (found - value).powi(2);
        all += value * value;
    }
    (left / all).sqrt()
}

#[test]
fn several_coils_become_one_image_in_its_place_and_scale() {
    let (folder, image) = begun();
    folder.recon("mri scan.cfl --method zero-filled -o rss.npy").assert().success();
    assert!(error(&read(&folder.path("rss.npy")), &image) < 1e-4);
    folder.recon("mri scan.cfl --method tv --steps 20 --set tv-weight=0.0001 -o tv.npy").assert().success();
    let found = read(&folder.path("tv.npy"));
    assert!(error(&found, &image) < 0.03, "{}", error(&found, &image));
    folder
        .recon("mri scan.npy --method tv --steps 20 --set tv-weight=0.0001 -o array.npy")
        .assert()
        .success();
    assert_eq!(read(&folder.path("array.npy")), found);
}

#[test]
fn coils_make_up_for_missing_lines() {
    let (folder, image) = begun();
    let said = folder.recon("mri scan.cfl --accel 2 --center-fraction 0.25 -o tv.npy").assert().success();
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(said.contains("6 coils") && said.contains("keeping"), "{said}");
    folder
        .recon("mri scan.cfl --accel 2 --center-fraction 0.25 --method zero-filled -o rss.npy")
        .assert()
        .success();
    let of = |name: &str| error(&read(&folder.path(name)), &image);
    assert!(of("tv.npy") < 0.5 * of("rss.npy"), "{} {}", of("tv.npy"), of("rss.npy"));
    let report = sidecar(&folder, "tv.json");
    assert_eq!(report["case"]["input"]["kind"], "raw");
    assert!(report["metrics"]["result"]["psnr"].as_f64().is_some_and(|psnr| psnr > 30.0), "{report}");
    folder.recon("run tv.json -o again.npy").assert().success();
    assert_eq!(read(&folder.path("again.npy")), read(&folder.path("tv.npy")));
}

#[test]
fn the_prior_sees_coils() {
    let (folder, _) = begun();
    folder
        .recon(
            "mri scan.cfl --accel 3 --center-fraction 0.3 --method score --steps 4 --passes 1 -o score.npy",
        )
        .assert()
        .success();
    let report = sidecar(&folder, "score.json");
    assert!(report["data_residual"].as_f64().is_some_and(|residual| residual < 0.2), "{report}");
    assert!(report["nfe"].as_u64().is_some_and(|calls| calls >= 4));
    assert!(read(&folder.path("score.npy")).iter().all(|value| value.is_finite() && *value >= 0.0));
}

#[test]
fn damaged_and_mixed_inputs_are_refused_in_one_line() {
    let (folder, _) = begun();
    let refused = |form: &str, code: i32| {
        let run = folder.recon(form).assert().code(code);
        let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        assert_eq!(said.lines().filter(|line| line.starts_with("error")).count(), 1, "{said}");
        said
    };
    folder.array("image.npy", phantom(16, 16, 0.0).view());
    assert!(refused("mri scan.cfl image.npy --method tv -o out", 2).contains("not both"));
    std::fs::write(folder.path("short.hdr"), "# Dimensions\n56 48 1 6 1\n").expect("written");
    std::fs::write(folder.path("short.cfl"), [0; 100]).expect("written");
    assert!(refused("mri short.cfl --method tv -o out.npy", 3).contains("short"));
    std::fs::write(folder.path("lie.h5"), b"\x89HDF\r\n\x1a\n and nothing more").expect("written");
    assert!(refused("mri lie.h5 --method tv -o out.npy", 3).contains("lie.h5"));
    let kspace = seen().1;
    let zeros = Array3::<Complex32>::zeros(kspace.raw_dim());
    npy::write_complex(&folder.path("zeros.npy"), zeros.view(), Overwrite::Refuse).expect("written");
    assert!(refused("mri zeros.npy --method tv -o out.npy", 3).contains("no sample"));
    let mask = Array2::from_elem((3, 4), true);
    npy::write_mask(&folder.path("m.npy"), mask.view(), Overwrite::Refuse).expect("written");
    assert!(refused("mri scan.cfl --mask m.npy --method tv -o out.npy", 3).contains("m.npy"));
    assert_eq!(kspace.len_of(Axis(0)), COILS);
}
