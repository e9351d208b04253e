//! `recon eval` on small images, whole runs.

use crate::common::{Folder, phantom, recon, shared};
use ndarray::{Array3, s};
use serde_json::Value;
use std::path::Path;

const HEADER: &str = "file,slice,setting,method,psnr,ssim,nmse,calibration,coverage,calls,seconds";

/// Two scans in `data`: a volume of five slices and an image.
fn scans(folder: &Folder, change: impl Fn(f32) -> f32) {
    std::fs::create_dir(folder.path("data")).expect("made");
    let mut volume = Array3::zeros((5, 32, 32));
    for (k, mut slice) in volume.outer_iter_mut().enumerate() {
        slice.assign(&phantom(32, 32, k as f32 * 0.02).mapv(&change));
    }
    folder.array("data/volume.npy", volume.view());
    folder.array("data/single.npy", phantom(30, 36, 0.0).mapv(&change).view());
}

fn hounsfield(value: f32) -> f32 {
    if value > 0.0 { 100.0 * value } else { -1000.0 }
}

fn json(folder: &Folder, arguments: &str) -> Value {
    let output = folder.recon(arguments).assert().success().get_output().stdout.clone();
    serde_json::from_slice(&output).expect("one JSON object")
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("written");
    assert_eq!(text.lines().next(), Some(HEADER));
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn mean(report: &Value, setting: &str, method: &str) -> f64 {
    let entries = report["summary"].as_array().expect("entries");
    let entry = entries.iter().find(|e| e["setting"] == setting && e["method"] == method).expect("there");
    entry["psnr"]["mean"].as_f64().expect("a number")
}

#[test]
fn an_evaluation_leaves_rows_means_settings_and_a_plot() {
    let folder = Folder::new();
    scans(&folder, |value| value);
    let report = json(
        &folder,
        "eval --protocol mri-8x --data data --method zero-filled,tv,l1-wavelet -o out --json -q --threads 1",
    );
    let rows = rows(&folder.path("out/results.csv"));
    // One slice of the image and three of the volume, three methods each.
    assert_eq!(rows.len(), 12);
    assert_eq!(rows[0][..4], ["single.npy", "0", "8x", "zero-filled"]);
    let slices: Vec<&str> = rows.iter().filter(|r| r[3] == "tv").map(|r| r[1].as_str()).collect();
    assert_eq!(slices, ["0", "0", "2", "4"], "of one slice the first, of five these three");
    assert_eq!(report["images"].as_array().map(Vec::len), Some(12));
    assert_eq!((&report["protocol"], &report["seed"]), (&"mri-8x".into(), &0.into()));
    assert_eq!(report["images"][0]["psnr"].as_f64(), rows[0][4].parse().ok());
    let entry = &report["summary"][1];
    assert_eq!((&entry["method"], &entry["count"]), (&"tv".into(), &4.into()));
    for value in ["psnr", "ssim", "nmse", "calls", "seconds"] {
        assert!(entry[value]["mean"].is_number() && entry[value]["std"].is_number(), "{value}: {entry}");
    }
    let picture = std::fs::read(folder.path("out/psnr.png")).expect("written");
    assert!(picture.starts_with(b"\x89PNG"));
    let settings = std::fs::read_to_string(folder.path("out/settings.json")).expect("written");
    let settings: Value = serde_json::from_str(&settings).expect("JSON");
    assert_eq!(settings["protocol"]["settings"][0]["acceleration"], 8.0);
    assert!(settings["methods"]["tv"]["method"]["tv-weight"].is_number());
}

#[test]
fn a_row_is_what_the_command_reports_for_that_slice() {
    let folder = Folder::new();
    scans(&folder, hounsfield);
    let report = json(&folder, "eval --protocol ct-23 --data data --method fbp -o out --json -q --threads 1");
    let rows = report["images"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["file"] == "volume.npy" && row["slice"] == 3).expect("slice 3");
    let single = json(&folder, "ct data/volume.npy --slices 3 --method fbp -o a.npy --json -q --threads 1");
    let result = &single["metrics"]["result"];
    for value in ["psnr", "ssim", "nmse"] {
        assert_eq!(row[value], result[value], "{value}");
    }
}

#[test]
fn learned_methods_count_their_calls_and_leave_the_baselines_alone() {
    let folder = Folder::new();
    scans(&folder, |value| value);
    let report = json(
        &folder,
        "eval --protocol mri-8x --data data --method tv,score --steps 2 --limit 1 -o out --json -q --threads 1",
    );
    let images = report["images"].as_array().expect("rows");
    let calls: Vec<_> = images.iter().map(|row| row["calls"].as_u64()).collect();
    // Two steps in each of three passes, and a trial of the result.
    assert_eq!(calls, [Some(0), Some(7)]);
    let settings = std::fs::read_to_string(folder.path("out/settings.json")).expect("written");
    let settings: Value = serde_json::from_str(&settings).expect("JSON");
    assert_eq!(settings["methods"]["tv"]["method"]["steps"], 100);
    assert_eq!(settings["methods"]["score"]["method"]["steps"], 2);
    assert_eq!(settings["methods"]["score"]["model"]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn a_run_goes_on_where_one_stopped() {
    let folder = Folder::new();
    scans(&folder, |value| value);
    let run = "eval --protocol mri-8x --data data --method zero-filled -o out --json -q --threads 1";
    let first = json(&folder, &format!("{run} --limit 2"));
    assert_eq!(first["images"].as_array().map(Vec::len), Some(2));
    // A mark in a row that is there shows that it is not computed again.
    let path = folder.path("out/results.csv");
    let text = std::fs::read_to_string(&path).expect("written");
    let seconds = text.lines().nth(1).and_then(|line| line.rsplit(',').next()).expect("a row").to_owned();
    std::fs::write(&path, text.replacen(&format!(",0,{seconds}\n"), ",0,77.5\n", 1)).expect("written");
    let second = json(&folder, run);
    let images = second["images"].as_array().expect("rows");
    assert_eq!(images.len(), 4);
    assert_eq!(images[0]["seconds"], 77.5);
    assert_eq!(images[0]["psnr"], first["images"][0]["psnr"]);
    let third = json(&folder, &run.replace("zero-filled", "zero-filled,tv"));
    assert_eq!(third["images"].as_array().map(Vec::len), Some(8));
    assert_eq!(rows(&path).len(), 8);
    let fresh = json(&folder, &format!("{run} --force"));
    assert_ne!(fresh["images"][0]["seconds"], 77.5);
    assert_eq!(rows(&path).len(), 4);
}

#[test]
fn metal_is_removed_better_by_what_knows_where_it_is() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("data")).expect("made");
    folder.array("data/body.npy", phantom(64, 64, 0.0).mapv(hounsfield).view());
    let run = "eval --protocol mar --data data --method fbp,li -o out --json -q --threads 1";
    let first = json(&folder, &format!("{run} --pictures"));
    assert_eq!(first["images"].as_array().map(Vec::len), Some(6));
    for setting in ["small", "medium", "large"] {
        let of = |method| mean(&first, setting, method);
        assert!(of("li") > of("fbp") + 3.0, "{setting}: {}", first["summary"]);
        assert!(folder.path(&format!("out/pictures-{setting}.png")).exists());
    }
    assert!(mean(&first, "small", "li") > mean(&first, "large", "li"), "more metal hides more");
    let again = json(&folder, &format!("{run} --force"));
    let psnrs = |report: &Value| -> Vec<Value> {
        report["images"].as_array().expect("rows").iter().map(|row| row["psnr"].clone()).collect()
    };
    assert_eq!(psnrs(&first), psnrs(&again));
    let other = json(&folder, &format!("{run} --seed 1 --force"));
    assert_ne!(psnrs(&first), psnrs(&other), "the seed decides where the metal is");
    folder.recon("eval --protocol mar --data data --method l1-wavelet -o no").assert().code(2);
    folder.recon("tune --protocol mar --data data --method li -o no").assert().code(2);
    folder.array("data/body.npy", Array3::from_elem((1, 16, 16), -1000.0).view());
    folder.recon("eval --protocol mar --data data --method li -o air").assert().code(3);
}

#[test]
fn legacy_settings_stand_beside_the_others_and_are_never_mixed() {
    let folder = Folder::new();
    // Twice the range: the published scale does not depend on it, nor do its metrics on the maximum of a slice.
    scans(&folder, |value| 2.0 * value);
    let run = "eval --protocol mri-8x --data data --method zero-filled,tv --limit 2 --json -q --threads 1";
    let plain = json(&folder, &format!("{run} -o plain"));
    let both = json(&folder, &format!("{run} --legacy thesis -o both"));
    let of = |report: &Value, setting: &str| -> Vec<Value> {
        let images = report["images"].as_array().expect("rows");
        images.iter().filter(|row| row["setting"] == setting).map(|row| row["psnr"].clone()).collect()
    };
    assert_eq!(of(&plain, "8x"), of(&both, "8x"), "the protocol's own rows stay as they are");
    assert_eq!(of(&both, "8x thesis").len(), 4);
    assert_ne!(of(&both, "8x thesis"), of(&both, "8x"));
    let entries = both["summary"].as_array().expect("entries");
    let legacy = |entry: &Value| (entry["setting"] == "8x thesis", entry["legacy"] == "thesis");
    assert!(entries.iter().map(legacy).all(|(named, marked)| named == marked) && entries.len() == 4);
    for file in ["both/psnr.png", "both/psnr-thesis.png"] {
        assert!(folder.path(file).exists(), "{file}");
    }
    assert!(!folder.path("plain/psnr-thesis.png").exists());
    // Rows of one kind of run are not taken for the other.
    folder.recon(&format!("{run} --legacy thesis -o plain")).assert().code(5);
    folder.recon(&format!("{run} --legacy other -o no")).assert().code(2);
    folder.recon("eval --protocol mar --data data --legacy thesis -o no").assert().code(2);
}

#[test]
fn published_ct_settings_are_their_own_measurement() {
    let folder = Folder::new();
    scans(&folder, hounsfield);
    let run =
        "eval --protocol ct-23 --data data --method fbp,fista-tv --steps 30 --limit 1 --json -q --threads 1";
    let report = json(&folder, &format!("{run} --legacy thesis --pictures -o out"));
    for setting in ["23 views", "23 views thesis"] {
        assert!(mean(&report, setting, "fista-tv") > mean(&report, setting, "fbp"), "{}", report["summary"]);
    }
    assert!(folder.path("out/pictures-23-views-thesis.png").exists());
    let settings = std::fs::read_to_string(folder.path("out/settings.json")).expect("written");
    let settings: Value = serde_json::from_str(&settings).expect("JSON");
    let settings = settings["protocol"]["settings"].as_array().expect("settings").clone();
    let legacy: Vec<_> = settings.iter().map(|setting| setting.get("legacy").cloned()).collect();
    assert_eq!(legacy, [None, Some("thesis".into())]);
}

#[test]
fn pictures_show_the_best_the_median_and_the_worst_slice() {
    let folder = Folder::new();
    scans(&folder, |value| value);
    let run =
        "eval --protocol mri-8x --data data --method zero-filled,l1-wavelet,tv -o out --json -q --threads 1";
    let first = json(&folder, run);
    assert_eq!(first["pictures"], serde_json::json!([]));
    let path = folder.path("out/pictures-8x.png");
    assert!(!path.exists());
    // All rows are there already; nothing but the pictures is computed.
    let second = json(&folder, &format!("{run} --pictures"));
    assert_eq!(first["images"], second["images"]);
    let picture = &second["pictures"][0];
    assert_eq!((&picture["setting"], &picture["method"]), (&"8x".into(), &"tv".into()));
    let better = if mean(&first, "8x", "zero-filled") > mean(&first, "8x", "l1-wavelet") {
        "zero-filled"
    } else {
        "l1-wavelet"
    };
    assert_eq!(picture["baseline"], better);
    let ranks: Vec<_> = picture["slices"].as_array().expect("slices").iter().map(|s| &s["rank"]).collect();
    assert_eq!(ranks, ["best", "median", "worst"]);
    let psnr = |place: usize| picture["slices"][place]["psnr"].as_f64().expect("a number");
    assert!(psnr(0) >= psnr(1) && psnr(1) >= psnr(2));
    let bytes = std::fs::read(&path).expect("written");
    let side = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|n| bytes[at + n]));
    // Width and height in the header: four panels of 32 or 36 columns, three rows of 32.
    assert!([4 * 32 + 12, 4 * 36 + 12].contains(&side(16)) && side(20) == 3 * 32 + 8);
    json(&folder, &format!("{run} --pictures --force"));
    assert!(bytes == std::fs::read(&path).expect("written"), "a fresh run draws the same");
}

#[test]
fn rows_of_other_settings_or_of_another_image_are_not_taken() {
    let folder = Folder::new();
    scans(&folder, |value| value);
    let run = "eval --protocol mri-8x --data data -o out --json -q --threads 1";
    let first = json(&folder, &format!("{run} --method tv --steps 3"));
    for other in ["--method tv --steps 4", "--method tv --steps 3 --seed 1"] {
        folder.recon(&format!("{run} {other}")).assert().code(5);
    }
    folder.recon(&format!("{run} --method tv --steps 3").replace("mri-8x", "mri-sweep")).assert().code(5);
    folder.array("data/single.npy", (phantom(30, 36, 0.1) * 3.0).view());
    let second = json(&folder, &format!("{run} --method tv --steps 3"));
    assert_ne!(first["images"][0]["psnr"], second["images"][0]["psnr"]);
    assert_eq!(first["images"][1], second["images"][1]);
    std::fs::remove_file(folder.path("out/settings.json")).expect("removed");
    folder.recon(&format!("{run} --method tv --steps 3")).assert().code(5);
}

#[test]
fn more_measurements_do_not_make_it_worse() {
    let folder = Folder::new();
    scans(&folder, hounsfield);
    let run = |protocol: &str, method: &str| {
        let options = "--limit 1 --json -q --threads 1";
        json(
            &folder,
            &format!("eval --protocol {protocol} --data data --method {method} -o {protocol} {options}"),
        )
    };
    let sparse = run("ct-sparse", "fbp,fista-tv");
    let settings = ["10 views", "20 views", "23 views", "45 views", "90 views"];
    let of = |method| settings.map(|setting| mean(&sparse, setting, method));
    assert!(of("fista-tv").windows(2).all(|pair| pair[1] >= pair[0]), "{:?}", of("fista-tv"));
    assert!(of("fista-tv").iter().zip(of("fbp")).all(|(tv, fbp)| *tv > fbp));
    let sweep = run("mri-sweep", "tv");
    let of = ["24x", "12x", "8x", "4x", "2x"].map(|setting| mean(&sweep, setting, "tv"));
    assert!(of.windows(2).all(|pair| pair[1] >= pair[0]), "{of:?}");
    let dose = run("ct-lowdose", "fbp");
    let of = ["10000 photons", "30000 photons", "100000 photons"].map(|setting| mean(&dose, setting, "fbp"));
    assert!(of.windows(2).all(|pair| pair[1] > pair[0]), "{of:?}");
}

#[test]
fn what_cannot_be_evaluated_is_said_with_the_right_code() {
    let folder = Folder::new();
    scans(&folder, |value| value);
    folder.recon("eval --protocol ct-24 --data data").assert().code(2);
    folder.recon("eval --protocol mri-8x --data data --method fbp -o out").assert().code(2);
    folder.recon("eval --protocol mri-8x --data data --method tv --lambda 0.5 -o out").assert().code(2);
    folder.recon("eval --protocol mri-8x --data data --limit 0 -o out").assert().code(2);
    folder.recon("eval --protocol mri-8x --data none -o out").assert().code(3);
    std::fs::create_dir(folder.path("empty")).expect("made");
    folder.recon("eval --protocol mri-8x --data empty --method tv -o out").assert().code(3);
    // No Hounsfield units anywhere: every scan fails.
    folder.recon("eval --protocol ct-23 --data data --method fbp -o out").assert().code(4);
    folder.bytes("data/broken.nii.gz", b"broken");
    let run = folder
        .recon("eval --protocol mri-8x --data data --method zero-filled -o part --json -q")
        .assert()
        .code(4);
    let report: Value = serde_json::from_slice(&run.get_output().stdout).expect("one JSON object");
    assert_eq!(report["images"].as_array().map(Vec::len), Some(4), "the others were evaluated");
    assert_eq!(report["failures"][0]["file"], "broken.nii.gz");
}

#[test]
fn reference_real_brains_come_out_better_by_total_variation() {
    let Some(shared) = shared() else { return };
    let data = shared.join("data/mri/val");
    let folder = Folder::new();
    let scan = recon_data::read(&data.join("msC-19_T1.nii.gz")).expect("readable").volume.voxels;
    std::fs::create_dir(folder.path("data")).expect("made");
    folder.array("data/t1.npy", scan.slice(s![8..9, .., ..]));
    let run =
        "eval --protocol mri-8x --data data --method zero-filled,l1-wavelet,tv -o out --json -q --threads 1";
    let report = json(&folder, run);
    let of = |method| mean(&report, "8x", method);
    assert!(of("tv") > of("l1-wavelet") && of("l1-wavelet") > of("zero-filled") + 0.5, "{report}");
}

#[test]
fn the_help_names_every_protocol() {
    let help = recon("eval --help").assert().success().get_output().stdout.clone();
    let help = String::from_utf8_lossy(&help).into_owned();
    for name in ["ct-23", "ct-sparse", "ct-lowdose", "mri-8x", "mri-sweep", "mar"] {
        assert!(help.contains(name), "{name}");
    }
}
