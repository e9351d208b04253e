//! Repeats of one image through the program.

use crate::common::{Folder, phantom, phantoms, read};
use ndarray::{Array2, Array3, ArrayD, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use recon_data::{Geometry, Overwrite, Provenance, Source, Unit, Volume, write};
use recon_operators::Field;
use serde_json::Value;

/// Fewer pairs of network calls than by default.
const QUICK: &str = "--probe-spacing 2";

fn sidecar(folder: &Folder, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.path(name)).expect("a sidecar")).expect("JSON")
}

fn noise(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let count = shape.iter().product();
    let flat = <Array2<f32> as Field>::randn(&[1, count], &mut ChaCha8Rng::seed_from_u64(seed));
    ArrayD::from_shape_vec(shape, flat.into_raw_vec_and_offset().0).expect("as many")
}

/// A clean phantom as `clean.npy` and repeats with this noise as `a.npy`, `b.npy` and so on.
fn repeats(std: &[f32]) -> Folder {
    let folder = Folder::new();
    let clean = phantom(48, 44, 0.0).into_dyn();
    folder.array("clean.npy", clean.view());
    for (k, std) in std.iter().enumerate() {
        let name = format!("{}.npy", char::from(b'a' + k as u8));
        folder.array(&name, (&clean + &(noise(&[48, 44], k as u64) * *std)).view());
    }
    folder
}

fn refused(folder: &Folder, arguments: &str, code: i32) -> String {
    let output = folder.recon(arguments).output().expect("started");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments}: {text}");
    let errors = text.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(
        errors == 1 && text.lines().last().is_some_and(|last| last.starts_with("error: ")),
        "{arguments}: {text}"
    );
    text
}

fn error(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (sum / a.len() as f64).sqrt()
}

#[test]
fn two_repeats_become_one_image_with_less_noise_than_their_average() {
    let folder = repeats(&[0.1, 0.2]);
    let form = format!("denoise a.npy b.npy --modality mr --noise-std 0.1,0.2 --reference clean.npy {QUICK}");
    let run = folder.recon(&format!("{form} -o out.npy")).assert().success();
    let log = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(log.contains("noise 0.1, 0.2 as given; 2 repeats together have 0.0894"), "{log}");
    assert!(log.contains("dB less") && log.contains("average"), "{log}");
    let clean = read(&folder.path("clean.npy"));
    let (image, std) = (read(&folder.path("out.npy")), read(&folder.path("out_std.npy")));
    assert_eq!((image.shape(), std.shape()), (&[48, 44][..], &[48, 44][..]));
    folder
        .recon("denoise a.npy b.npy --modality mr --noise-std 0.1,0.2 --method average -o mean.npy")
        .assert()
        .success();
    assert!(!folder.path("mean_std.npy").exists());
    let mean = read(&folder.path("mean.npy"));
    let expected = read(&folder.path("a.npy")) * 0.8 + read(&folder.path("b.npy")) * 0.2;
    assert!(error(&mean, &expected) < 1e-6);
    assert!(error(&image, &clean) < 0.6 * error(&mean, &clean), "{}", error(&image, &clean));
    let report = sidecar(&folder, "out.json");
    let number = |value: &Value| value.as_f64().expect("a number");
    assert!((number(&report["denoising"]["noise_std"]) - 0.008_f64.sqrt()).abs() < 1e-9);
    let variance = std.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / std.len() as f64;
    let gain = 10.0 * (0.008 / variance).log10();
    assert!((number(&report["denoising"]["expected_gain"]) - gain).abs() < 1e-3, "{report}");
    assert!((number(&report["slices"][0]["expected_gain"]) - gain).abs() < 1e-3);
    assert_eq!(report["metrics"]["baselines"][0]["name"], "average");
    assert!(report["metrics"]["calibration"]["ratio"].is_number());
    assert_eq!(
        (&report["case"]["task"]["name"], &report["model"]["name"]),
        (&"denoise".into(), &"mr".into())
    );
    assert_eq!(report["inputs"].as_array().map(Vec::len), Some(2));
    folder.recon("run out.json -o again.npy").assert().success();
    assert_eq!(read(&folder.path("again.npy")), image);
}

#[test]
fn the_noise_is_found_in_the_images_and_said() {
    let folder = repeats(&[0.1, 0.1]);
    let run =
        folder.recon("denoise a.npy b.npy --modality mr --method average -o two.npy").assert().success();
    let log = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(log.contains("estimated from the differences of repeats"), "{log}");
    let found = sidecar(&folder, "two.json")["denoising"]["noise_std"].as_f64().expect("a number");
    assert!((found / (0.1 / 2_f64.sqrt()) - 1.0).abs() < 0.15, "{found}");
    folder.recon("denoise a.npy --modality mr --method average -o one.npy").assert().success();
    let found = sidecar(&folder, "one.json")["denoising"]["noise_std"].as_f64().expect("a number");
    assert!((found / 0.1 - 1.0).abs() < 0.3, "{found}");
    folder.array("flat.npy", Array2::from_elem((16, 16), 1_f32).view());
    let said = refused(&folder, "denoise flat.npy --modality mr -o flat_out.npy", 3);
    assert!(said.contains("--noise-std"), "{said}");
}

#[test]
fn what_does_not_belong_together_is_refused_in_one_line() {
    let folder = repeats(&[0.1, 0.1]);
    folder.array("wide.npy", phantom(48, 46, 0.0).view());
    for (arguments, code, part) in [
        ("a.npy wide.npy --modality mr", 3, "wide.npy: the shape is"),
        ("a.npy b.npy", 2, "--modality ct"),
        ("a.npy b.npy --modality ct", 2, "--unit hu"),
        ("a.npy a.npy --modality mr", 2, "given twice"),
        ("a.npy b.npy --modality mr --noise-std 0.1,0.1,0.1", 2, "3 numbers for 2 images"),
        ("a.npy b.npy --modality mr --noise-std 0", 2, "above 0"),
        ("a.npy --modality mr --model ct", 3, "give one of mr images"),
        ("a.npy --modality mr --method bayes --samples 3", 2, "samples"),
        ("a.npy --modality mr --method average --probes 3", 2, "probes"),
        ("a.npy --modality mr --quantiles", 2, "--quantiles"),
        ("a.npy --modality mr --budget 3s", 2, "--budget"),
    ] {
        let said = refused(&folder, &format!("denoise {arguments} -o out.npy"), code);
        assert!(said.contains(part), "{arguments}: {said}");
    }
    refused(&folder, "mri a.npy --noise-std 0.1,0.2 -o out.npy", 2);
    assert_eq!(folder.names(), ["a.npy", "b.npy", "clean.npy", "wide.npy"]);
}

#[test]
fn a_dry_run_is_a_case_that_runs() {
    let folder = repeats(&[0.1, 0.1]);
    let form = format!("denoise a.npy b.npy --modality mr --noise-std 0.1 {QUICK} -o out.npy");
    let shown = folder.recon(&format!("{form} --dry-run")).assert().success();
    let text = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    let case: toml::Value = toml::from_str(&text).expect("a case as TOML");
    assert_eq!(case["task"]["name"].as_str(), Some("denoise"));
    assert_eq!(case["method"]["probe-spacing"].as_integer(), Some(2));
    assert_eq!(case["task"]["repeats"].as_array().map(Vec::len), Some(1));
    assert!(!folder.path("out.npy").exists());
    std::fs::write(folder.path("case.toml"), &text).expect("written");
    folder.recon("run case.toml --preview p.png").assert().failure();
    folder.recon("run case.toml").assert().success();
    let first = read(&folder.path("out.npy"));
    folder.recon(&format!("{form} --force --preview p.png")).assert().success();
    assert_eq!(read(&folder.path("out.npy")), first);
    assert!(folder.path("p.png").exists());
}

#[test]
fn a_slice_is_the_same_alone_in_its_volume_in_a_batch_and_on_any_thread() {
    let folder = Folder::new();
    let clean = phantoms(3, 32, 40).into_dyn();
    folder.array("a.npy", (&clean + &(noise(&[3, 32, 40], 1) * 0.1)).view());
    folder.array("b.npy", (&clean + &(noise(&[3, 32, 40], 2) * 0.1)).view());
    let form = format!("denoise a.npy b.npy --modality mr {QUICK}");
    folder.recon(&format!("{form} --threads 1 -o all.npy")).assert().success();
    folder.recon(&format!("{form} --threads 2 --slices 1..2 -o one.npy")).assert().success();
    let (all, one) = (read(&folder.path("all.npy")), read(&folder.path("one.npy")));
    let one: Array3<f32> = one.into_shape_with_order((1, 32, 40)).expect("one slice");
    assert_eq!(all.index_axis(Axis(0), 1), one.index_axis(Axis(0), 0).into_dyn());
    // One input of a plan is one case; its repeats are named by an option.
    let plan = "task = \"denoise\"\noutput_dir = \"out\"\n\
                options = { modality = \"mr\", probe-spacing = 2, repeat = [\"b.npy\"] }\n\
                [[case]]\ninput = \"a.npy\"\noutput = \"batch.npy\"\n";
    std::fs::write(folder.path("plan.toml"), plan).expect("written");
    folder.recon("batch plan.toml").assert().success();
    assert_eq!(read(&folder.path("out/batch.npy")), all);
    assert_eq!(read(&folder.path("out/batch_std.npy")), read(&folder.path("all_std.npy")));
}

fn volume(voxels: Array3<f32>, unit: Unit, origin: f64) -> Volume {
    let geometry =
        Geometry { spacing_mm: [2.0, 0.8, 0.8], origin_mm: [origin, -5.0, 7.0], ..Geometry::default() };
    Volume { voxels, geometry, unit }
}

/// Says in the header of a NIfTI file that it lies in the space of the scanner.
fn place(path: &std::path::Path, origin: f32) {
    let mut bytes = std::fs::read(path).expect("read");
    bytes[254..256].copy_from_slice(&1_i16.to_le_bytes());
    let rows = [[0.8, 0.0, 0.0, origin], [0.0, 0.8, 0.0, -5.0], [0.0, 0.0, 2.0, 7.0_f32]];
    let written = rows.iter().flatten().flat_map(|value| value.to_le_bytes());
    bytes.splice(280..328, written);
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn nifti_and_dicom_stay_what_they_are_and_where_they_are() {
    let folder = Folder::new();
    let save = |name: &str, volume: &Volume| {
        let source = Source::Npy;
        write(&folder.path(name), volume, &source, &Provenance::default(), Overwrite::Refuse)
            .expect("written");
    };
    let clean = phantoms(2, 32, 32);
    let noisy = |seed: u64, std: f32| {
        let noise = noise(&[2, 32, 32], seed).into_dimensionality::<ndarray::Ix3>().expect("three axes");
        &clean + &(noise * std)
    };
    for (name, seed, origin) in [("a.nii", 1, 3.0), ("b.nii", 2, 3.0), ("moved.nii", 3, 3.5)] {
        save(name, &volume(noisy(seed, 0.1), Unit::Arbitrary, origin));
        place(&folder.path(name), origin as f32);
    }
    let said = refused(&folder, "denoise a.nii moved.nii --modality mr -o out.nii.gz", 3);
    assert!(said.contains("begins at another place"), "{said}");
    folder.recon(&format!("denoise a.nii b.nii --modality mr {QUICK} -o out.nii.gz")).assert().success();
    let [from, to] = ["a.nii", "out.nii.gz"].map(|name| recon_data::read(&folder.path(name)).expect("read"));
    assert_eq!(from.volume.geometry, to.volume.geometry);
    assert!(folder.path("out_std.nii.gz").exists());
    // Tissue of 40 HU in air.
    for (name, seed) in [("a", 1), ("b", 2)] {
        let hounsfield = noisy(seed, 0.02).mapv(|value| (1040.0 * value.min(1.0) - 1000.0).round());
        save(name, &volume(hounsfield, Unit::Hounsfield, 3.0));
    }
    let run = folder.recon(&format!("denoise a b {QUICK} -o series")).assert().success();
    let log = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(log.contains(" HU") && log.contains("differences of repeats"), "{log}");
    let report = sidecar(&folder, "series.json");
    assert_eq!(report["model"]["name"], "ct");
    let found = report["denoising"]["noise_std"].as_f64().expect("a number");
    assert!((found / (20.8 / 2_f64.sqrt()) - 1.0).abs() < 0.15, "{found}");
    let to = recon_data::read(&folder.path("series")).expect("a series").volume;
    assert_eq!((to.unit, to.voxels.dim()), (Unit::Hounsfield, (2, 32, 32)));
    let truth = clean.mapv(|value| 1040.0 * value - 1000.0);
    let rms = |x: &Array3<f32>| (x - &truth).mapv(|d| d * d).mean().expect("voxels").sqrt();
    assert!(rms(&to.voxels) < 20.8 / 2_f32.sqrt(), "{}", rms(&to.voxels));
}
