//! What a reconstruction leaves behind: images, report, picture, and nothing else.

use crate::common::{Folder, phantom, phantoms, read, shared};
use ndarray::Array3;
use rand::{RngExt, SeedableRng};
use recon_data::{Overwrite, npy};
use serde_json::Value;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("one JSON object")
}

/// The case that a dry run prints.
fn case(run: &mut assert_cmd::Command) -> toml::Value {
    let output = run.assert().success();
    toml::from_str(&String::from_utf8_lossy(&output.get_output().stdout)).expect("a case as TOML")
}

fn sidecar(folder: &Folder, name: &str) -> Value {
    json(&std::fs::read(folder.path(name)).expect("a sidecar"))
}

#[test]
fn without_an_output_the_result_lies_beside_the_input() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(16, 16, 0.0).view());
    folder.recon("ct scan.npy --method fbp").assert().success();
    assert_eq!(folder.names(), ["scan.npy", "scan_recon.json", "scan_recon.npy"]);
    folder.recon("ct scan.npy --method fbp").assert().code(5);
    folder.recon("ct scan.npy --method fbp --force").assert().success();
}

#[test]
fn the_sidecar_says_what_was_done() {
    let folder = Folder::new();
    folder.array("scan.npy", phantoms(2, 24, 24).view());
    folder
        .recon("mri scan.npy --accel 3 --method score --steps 2 --seed 5 --threads 1 -o out.npy")
        .assert()
        .success();
    let report = sidecar(&folder, "out.json");
    assert_eq!(report["status"], "complete");
    assert_eq!((&report["case"]["seed"], &report["threads"]), (&5.into(), &1.into()));
    assert_eq!(report["case"]["method"]["passes"], 3);
    assert_eq!(report["nfe"], 14, "three passes of two steps and a trial for each of two slices");
    assert_eq!(report["case"]["method"]["steps"], 2);
    assert_eq!(report["case"]["task"]["sampling"]["accel"], 3.0);
    assert_eq!(report["case"]["method"]["model"], "mr");
    assert_eq!(report["model"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(report["inputs"][0]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(report["device"], "cpu");
    assert_eq!(report["slices"].as_array().map(Vec::len), Some(2));
    assert!(report["command"][1] == "mri" && report["version"].is_string());
    assert!(report["seconds"].as_f64() > Some(0.0) && report["data_residual"].as_f64() < Some(0.5));
    let metrics = &report["metrics"];
    for (k, name) in ["zero-filled", "l1-wavelet", "tv"].into_iter().enumerate() {
        assert_eq!(metrics["baselines"][k]["name"], name);
        assert!(metrics["baselines"][k]["psnr"].as_f64() > Some(5.0), "{name}: {report}");
    }
    assert!(metrics["result"]["psnr"].as_f64() > Some(5.0), "{report}");
}

#[test]
fn json_is_alone_on_stdout_and_the_table_on_stderr() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(16, 16, 0.0).view());
    let run = folder
        .recon("ct scan.npy --views 20 --method fista-tv --steps 20 --json -o out.npy")
        .assert()
        .success();
    let output = run.get_output();
    assert_eq!(json(&output.stdout), sidecar(&folder, "out.json"));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("PSNR") && log.contains("fbp") && log.contains("fista-tv"), "{log}");
    let quiet = folder.recon("ct scan.npy --method fbp --quiet -o quiet.npy").assert().success();
    assert!(quiet.get_output().stderr.is_empty() && quiet.get_output().stdout.is_empty());
}

#[test]
fn several_samples_give_a_spread() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(24, 24, 0.0).view());
    folder.recon("mri scan.npy --accel 6 --steps 3 --samples 3 --quantiles -o out.npy").assert().success();
    let [mean, spread, low, high] =
        ["out", "out_std", "out_q05", "out_q95"].map(|name| read(&folder.path(&format!("{name}.npy"))));
    assert!(spread.iter().all(|&s| s >= 0.0) && spread.iter().any(|&s| s > 0.0));
    let between = |((mean, low), high): ((&f32, &f32), &f32)| low <= mean && mean <= high;
    assert!(mean.iter().zip(&low).zip(&high).all(between));
    let report = sidecar(&folder, "out.json");
    let around = &report["case"]["method"]["around"];
    let number = |name: &str| around[name].as_u64().expect("a number");
    let calls = 3 * 3 + number("steps") * number("passes") + 1;
    assert_eq!(report["nfe"], calls, "three samples, what they are drawn around, a trial");
    let calibration = &report["metrics"]["calibration"];
    assert!(calibration["ratio"].as_f64() > Some(0.0) && calibration["coverage"].as_f64() <= Some(1.0));
    folder.recon("mri scan.npy --accel 6 --steps 3 --samples 3 --widen 6 -o wide.npy").assert().success();
    let (widen, wide) =
        (report["case"]["method"]["widen"].as_f64().expect("a factor"), read(&folder.path("wide_std.npy")));
    let factor = (6.0 / widen) as f32;
    assert!(widen > 1.0 && wide.iter().zip(&spread).all(|(w, s)| (w - factor * s).abs() <= 1e-5 * w));
    assert_eq!(read(&folder.path("wide.npy")), mean);
    folder.recon("mri scan.npy --quantiles -o other.npy").assert().code(2);
}

/// The data say nothing about what is written as unseen, and everything about the rest.
#[test]
fn what_the_measurement_does_not_see_is_written_apart() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(24, 24, 0.0).view());
    let form = "mri scan.npy --accel 4 --method tv --mask-out m.npy";
    folder.recon(&format!("{form} --null-space -o out.npy")).assert().success();
    let (image, unseen) = (read(&folder.path("out.npy")), read(&folder.path("out_null.npy")));
    npy::write_real(&folder.path("seen.npy"), (&image - &unseen).view(), Overwrite::Force).expect("written");
    // The k-space of the part that is seen, on the lines that were measured, is that of the image.
    let kspace = |name: &str| {
        let form = format!("simulate mri {name}.npy --mask m.npy -o k-{name}.npy");
        folder.recon(&form).assert().success();
        npy::read_complex(&folder.path(&format!("k-{name}.npy"))).expect("readable")
    };
    let (all, seen) = (kspace("out"), kspace("seen"));
    let norm = |k: &ndarray::ArrayD<num_complex::Complex32>| {
        k.iter().map(num_complex::Complex32::norm_sqr).sum::<f32>().sqrt()
    };
    assert!(norm(&(&all - &seen)) < 1e-4 * norm(&all));
    let share = sidecar(&folder, "out.json")["slices"][0]["null_space_share"].as_f64().expect("a share");
    let expected = unseen.mapv(|v| v * v).sum().sqrt() / image.mapv(|v| v * v).sum().sqrt();
    assert!(share > 0.01 && (share - f64::from(expected)).abs() < 1e-4, "{share} {expected}");
}

#[test]
fn strange_images_are_warned_of() {
    let folder = Folder::new();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let noise = ndarray::Array2::from_shape_simple_fn((64, 64), || rng.random::<f32>());
    folder.array("noise.npy", noise.view());
    let run = folder.recon("mri noise.npy --accel 2 --steps 4 -o out.npy").assert().success();
    let log = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(log.contains("warning: slice 0: unlike what the model was trained on"), "{log}");
    let report = sidecar(&folder, "out.json");
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(report["slices"][0]["denoising_error"].as_f64() > Some(0.3), "{report}");
}

#[test]
fn a_budget_is_turned_into_steps() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(24, 24, 0.0).view());
    let run = folder.recon("mri scan.npy --budget 1m -o out.npy").assert().success();
    let log = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    let steps = sidecar(&folder, "out.json")["case"]["method"]["steps"].as_u64().expect("steps");
    assert!(steps >= 8 && log.contains(&format!("--budget 60 s: {steps} steps of ")), "{log}");
    for wrong in ["--method tv --budget 1m", "--budget 1m --steps 3", "--budget soon"] {
        folder.recon(&format!("mri scan.npy {wrong} -o other.npy")).assert().code(2);
    }
}

#[test]
fn the_preview_shows_four_panels() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(20, 24, 0.0).view());
    folder.recon("ct scan.npy --method fista-tv --steps 3 --preview p.png -o out.npy").assert().success();
    let png = std::fs::read(folder.path("p.png")).expect("a picture");
    let width = u32::from_be_bytes(png[16..20].try_into().expect("four bytes"));
    let height = u32::from_be_bytes(png[20..24].try_into().expect("four bytes"));
    assert_eq!((width, height), (4 * 24 + 3 * 4, 20));
    folder.recon("ct scan.npy --method fbp --preview p.jpg -o other.npy").assert().code(2);
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(16, 16, 0.0).view());
    let case = case(&mut folder.recon("ct scan.npy --dry-run"));
    assert_eq!(case["method"]["name"].as_str(), Some("score"));
    assert!(case["method"]["steps"].is_integer());
    assert_eq!(folder.names(), ["scan.npy"]);
}

#[test]
fn flags_win_over_environment_over_config() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(16, 16, 0.0).view());
    folder.bytes("c.toml", b"seed = 1\nthreads = 1\n[ct]\nmethod = 'fista-tv'\nsteps = 4\nviews = 11\n");
    let seen = |run: &mut assert_cmd::Command| {
        let case = case(run);
        let number = |value: &toml::Value| value.as_integer().expect("a number");
        (number(&case["method"]["steps"]), number(&case["task"]["views"]))
    };
    let form = "ct scan.npy --config c.toml --dry-run";
    assert_eq!(seen(&mut folder.recon(form)), (4, 11));
    assert_eq!(seen(folder.recon(form).env("RECON_STEPS", "5")).0, 5);
    assert_eq!(seen(folder.recon(&format!("{form} --steps 6")).env("RECON_STEPS", "5")).0, 6);
    folder.bytes("wrong.toml", b"stesp = 4\n");
    folder.recon("ct scan.npy --config wrong.toml --dry-run").assert().code(2);
}

#[test]
fn hounsfield_units_come_back_and_air_stays_air() {
    let folder = Folder::new();
    let image = phantom(40, 40, 0.0) * 1500.0 - 1000.0;
    folder.array("ct.npy", image.view());
    folder.recon("ct ct.npy --views 90 --method fista-tv --steps 60 --json -o out.npy").assert().success();
    let result = read(&folder.path("out.npy")).into_shape_with_order((40, 40)).expect("one slice");
    let worst = (&result - &image).iter().fold(0.0f32, |worst, d| worst.max(d.abs()));
    assert!(worst < 150.0, "{worst} HU");
    assert!(result.iter().all(|&hu| hu >= -1000.5));
}

#[test]
fn metal_is_put_back_and_slices_without_it_are_left_alone() {
    let folder = Folder::new();
    let mut image: Array3<f32> = phantoms(2, 40, 40) * 1500.0 - 1000.0;
    image.slice_mut(ndarray::s![0, 18..21, 25..28]).fill(8000.0);
    folder.array("ct.npy", image.view());
    for method in ["li", "fbp", "fista-tv", "score"] {
        let steps = if matches!(method, "fista-tv" | "score") { "--steps 2" } else { "" };
        folder
            .recon(&format!("mar ct.npy --views 60 --method {method} {steps} -o {method}.npy"))
            .assert()
            .success();
        let result = read(&folder.path(&format!("{method}.npy")));
        assert_eq!(result[[0, 19, 26]], 8000.0, "{method}");
        if method != "fbp" {
            let other = (&result.index_axis(ndarray::Axis(0), 1) - &image.index_axis(ndarray::Axis(0), 1))
                .mapv(f32::abs);
            assert!(other.iter().all(|&d| d < 1e-2), "{method}: the other slice changed");
        }
    }
}

#[test]
fn several_inputs_go_to_a_folder_and_one_failure_is_reported() {
    let folder = Folder::new();
    folder.array("a.npy", phantom(16, 16, 0.0).view());
    folder.array("b.npy", phantom(16, 16, 0.1).view());
    std::fs::create_dir(folder.path("out")).expect("made");
    folder.recon("ct a.npy b.npy --method fbp -o out").assert().success();
    assert!(folder.path("out/a_recon.npy").is_file() && folder.path("out/b_recon.npy").is_file());
    folder.recon("ct a.npy missing.npy --method fbp -o out --force").assert().code(4);
    folder.recon("ct a.npy b.npy --method fbp -o nowhere/deep").assert().code(2);
    folder.recon("ct a.npy b.npy --method fbp -o file.npy").assert().code(2);
}

#[test]
fn a_folder_of_images_goes_to_a_new_folder() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("in")).expect("made");
    folder.array("in/a.npy", phantom(16, 16, 0.0).view());
    folder.array("in/b.npy", phantom(16, 16, 0.1).view());
    folder.recon("ct in --method fbp -o new --dry-run").assert().success();
    assert!(!folder.path("new").exists(), "a dry run makes nothing");
    folder.recon("ct in --method fbp -o new").assert().success();
    assert!(folder.path("new/a_recon.npy").is_file() && folder.path("new/b_recon.npy").is_file());
    // Results beside their sources are no inputs.
    folder.recon("ct in --method fbp").assert().success();
    folder.recon("ct in --method fbp --force").assert().success();
    assert_eq!(std::fs::read_dir(folder.path("in")).expect("listed").count(), 6);
}

#[test]
fn values_that_are_no_numbers_are_replaced_if_asked() {
    let folder = Folder::new();
    let mut image = phantom(16, 16, 0.0);
    image[[0, 0]] = f32::NAN;
    folder.array("a.npy", image.view());
    let refused = folder.recon("ct a.npy --method fbp -o out.npy").assert().code(3);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("--nan-to"), "{said}");
    folder.recon("ct a.npy --method fbp --nan-to 0 -o out.npy").assert().success();
    let warnings = sidecar(&folder, "out.json")["warnings"].to_string();
    assert!(warnings.contains("1 values were not a number"), "{warnings}");
    folder.recon("run out.json -o again.npy").assert().success();
    assert_eq!(read(&folder.path("again.npy")), read(&folder.path("out.npy")));
}

#[cfg(unix)]
#[test]
fn termination_keeps_the_finished_slices() {
    let folder = Folder::new();
    folder.array("scan.npy", phantoms(400, 64, 64).view());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_recon"))
        .args("ct scan.npy --method fista-tv --steps 30 --threads 1 -o out.npy".split(' '))
        .current_dir(folder.path(""))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    wait_for_a_slice(&mut child);
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    assert_eq!(child.wait().expect("ended").code(), Some(143));
    assert!(!folder.path("out.npy").exists(), "an unfinished result has another name");
    let report = sidecar(&folder, "out_partial.json");
    assert_eq!(report["status"], "interrupted");
    let slices = read(&folder.path("out_partial.npy")).shape()[0];
    assert!((1..400).contains(&slices), "{slices}");
    assert_eq!(report["slices"].as_array().map(Vec::len), Some(slices));
}

/// Reads the log until the first slice is done, and leaves the rest to a thread so that the pipe stays open.
#[cfg(unix)]
fn wait_for_a_slice(child: &mut std::process::Child) {
    use std::io::BufRead;
    let stderr = child.stderr.take().expect("a pipe");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let limit = std::time::Duration::from_secs(120);
    while !receiver.recv_timeout(limit).expect("a log line").starts_with("slice 1 of") {}
}

#[test]
fn reference_info_survives_every_file() {
    let Some(shared) = shared() else { return };
    let folders = ["dicom/ct", "dicom/mr", "nifti"].map(|name| shared.join("data").join(name));
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut seen = 0;
    for path in
        files.map(|entry| entry.path()).filter(|path| path.metadata().is_ok_and(|m| m.len() < 20_000_000))
    {
        let output = crate::common::recon("info").arg(&path).arg("--json").output().expect("ran");
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 3)), "{}: {code:?}", path.display());
        if code == Some(0) {
            json(&output.stdout);
        }
        seen += 1;
    }
    assert!(seen > 0, "no files in {folders:?}");
}

#[test]
fn manual_pages_are_made_of_the_same_words_as_the_help() {
    let folder = Folder::new();
    folder.recon("man pages").assert().success();
    let read = |name: &str| std::fs::read_to_string(folder.path(&format!("pages/{name}"))).expect("a page");
    assert!(read("recon.1").contains(".TH recon 1") && read("recon-ct.1").contains("few views"));
    assert!(read("recon-batch-status.1").contains("on whatever machines it runs"));
    assert!(!folder.path("pages/recon-batch-trial.1").exists(), "what is not meant for people has no page");
    folder.recon("man pages").assert().code(5);
    folder.recon("man pages --force").assert().success();
}
