//! Cases as values: shown, run again, taken up again, and refused before any work.

use crate::common::{Folder, phantom, phantoms};

fn log(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn bytes(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.path(name)).expect(name)
}

#[test]
fn what_a_dry_run_prints_and_what_a_sidecar_says_run_to_the_same_bits() {
    let folder = Folder::new();
    folder.array("scan.npy", phantoms(2, 24, 24).view());
    let settings = "--steps 2 --temperature 0.5 --set score.sigma-end=0.02 --seed 4";
    let first = format!("mri scan.npy --accel 3 {settings} -o first.npy");
    let shown = folder.recon(&format!("{first} --dry-run")).assert().success().get_output().stdout.clone();
    folder.recon(&first).assert().success();
    folder.bytes("case.toml", &shown);
    folder.recon("run case.toml -o second.npy").assert().success();
    folder.recon("run first.json -o third.npy").assert().success();
    for name in ["second.npy", "third.npy"] {
        assert_eq!(bytes(&folder, name), bytes(&folder, "first.npy"), "{name}");
    }
    let again =
        folder.recon("run case.toml --dry-run --force").assert().success().get_output().stdout.clone();
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&shown));
}

#[test]
fn several_cases_of_one_file_go_where_they_say() {
    let folder = Folder::new();
    for name in ["a.npy", "b.npy"] {
        folder.array(name, phantom(16, 16, 0.0).view());
    }
    std::fs::create_dir(folder.path("out")).expect("made");
    let form = "ct a.npy b.npy --method fbp --views 20 -o out --dry-run";
    let shown = folder.recon(form).assert().success().get_output().stdout.clone();
    folder.bytes("cases.toml", &shown);
    folder.recon("run cases.toml -o one.npy").assert().code(2);
    folder.recon("run cases.toml").assert().success();
    assert!(folder.path("out/a_recon.npy").is_file() && folder.path("out/b_recon.npy").is_file());
}

/// Every setting stands in the environment, and a command without it runs on.
#[test]
fn the_environment_of_one_command_does_not_stop_another() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(16, 16, 0.0).view());
    for (variable, value) in [("RECON_METHOD", "score"), ("RECON_MODEL", "ct"), ("RECON_VIEWS", "11")] {
        let run = |form: &str| folder.recon(form).env(variable, value).output().expect("ran");
        for form in [
            "info scan.npy",
            "ct scan.npy --dry-run",
            "mri scan.npy --dry-run",
            "mar scan.npy --metal-threshold 0.5 --dry-run",
            "help tv",
            "simulate mri scan.npy -o k.npy --force",
            "compare scan.npy scan.npy",
        ] {
            let output = run(form);
            assert!(output.status.success(), "{variable}, {form}: {}", log(&output));
        }
    }
}

#[test]
fn settings_that_cannot_be_are_refused_before_any_work() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(16, 16, 0.0).view());
    for (form, said) in [
        ("mri scan.npy --method score --sigma-start 0.0000001 --dry-run", "--sigma-start"),
        ("mri scan.npy --method tv --set steps=none --dry-run", "--set steps"),
        ("mri scan.npy --set nobody.steps=3 --dry-run", "nobody"),
        ("ct scan.npy --size 8x8 --dry-run", "--size"),
        ("ct scan.npy --method fbp --snr 0.1 --dry-run", "--snr"),
        ("ct scan.npy --method fbp --noise-std 0.1 --dry-run", "--noise-std"),
        ("ct scan.npy --method fbp --noise-std 0.1", "--noise-std"),
        ("mri scan.npy --method tv --budget 1m --dry-run", "--budget"),
        ("mri scan.npy --method tv --budget 1m", "--budget"),
        ("mri scan.npy --method red-diff --noise-floor 0 --dry-run", "--noise-std"),
        ("ct scan.npy --method red-diff --noise-floor 0", "--noise-std"),
        (
            "ct scan.npy --method red-diff --noise-floor 0 --noise-std 0 --photons 1e4 --dry-run",
            "--noise-std",
        ),
    ] {
        let output = folder.recon(form).output().expect("ran");
        let log = log(&output);
        assert_eq!(output.status.code(), Some(2), "{form}: {log}");
        assert!(
            log.starts_with("error: ") && log.contains(said) && log.lines().count() == 1,
            "{form}: {log}"
        );
    }
    let output =
        folder.recon("mri scan.npy --method tv --dry-run").env("RECON_PASSES", "2").output().expect("ran");
    assert_eq!(output.status.code(), Some(2));
    assert!(log(&output).contains("RECON_PASSES"), "{}", log(&output));
    assert_eq!(folder.names(), ["scan.npy"]);
}

/// What a command line is refused for is refused in a file of a case as well.
#[test]
fn a_case_that_its_method_cannot_meet_is_not_run() {
    let folder = Folder::new();
    folder.array("scan.npy", phantom(16, 16, 0.0).view());
    for (form, from, to, said) in [
        ("ct scan.npy --method fbp", "[task]", "[task]\nnoise-std = 0.1", "--noise-std"),
        ("mri scan.npy --method tv", "schema = 1", "schema = 1\nbudget = 60.0", "--budget"),
        (
            "ct scan.npy --method red-diff --noise-floor 0 --noise-std 0.1",
            "noise-std = 0.1",
            "",
            "--noise-std",
        ),
    ] {
        let shown = folder.recon(&format!("{form} --dry-run")).assert().success().get_output().stdout.clone();
        let shown = String::from_utf8(shown).expect("text");
        let changed = shown.replacen(from, to, 1);
        assert_ne!(shown, changed, "{form}");
        folder.bytes("case.toml", changed.as_bytes());
        for run in ["run case.toml", "run case.toml --dry-run"] {
            let output = folder.recon(run).output().expect("ran");
            let log = log(&output);
            assert_eq!(output.status.code(), Some(2), "{form}: {log}");
            assert!(log.starts_with("error: ") && log.contains(said), "{form}: {log}");
        }
    }
    let plan = "batch scan.npy --task ct --method tv --option budget=1m -o out";
    for form in [format!("{plan} --dry-run"), plan.to_owned()] {
        let output = folder.recon(&form).output().expect("ran");
        assert_eq!((output.status.code(), log(&output).contains("--budget")), (Some(2), true), "{form}");
    }
    assert_eq!(folder.names(), ["case.toml", "scan.npy"]);
}

/// Killed in the middle and taken up again, a volume is the same to the last bit.
#[cfg(unix)]
#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    use std::io::BufRead as _;
    let folder = Folder::new();
    folder.array("scan.npy", phantoms(60, 48, 48).view());
    let form = "ct scan.npy --unit attenuation --views 20 --photons 1e4 --method tv --steps 40 --threads 1";
    folder.recon(&format!("{form} -o whole.npy")).assert().success();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_recon"))
        .args(form.split(' ').chain(["-o", "cut.npy"]))
        .current_dir(folder.path(""))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("started");
    let mut lines = std::io::BufReader::new(child.stderr.take().expect("a pipe")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("slice 3 of"))));
    child.kill().expect("killed");
    let _ = child.wait();
    assert!(!folder.path("cut.npy").exists());
    folder.recon(&format!("{form} -o cut.npy --resume")).assert().success();
    assert_eq!(bytes(&folder, "cut.npy"), bytes(&folder, "whole.npy"));
    let report: serde_json::Value = serde_json::from_slice(&bytes(&folder, "cut.json")).expect("a sidecar");
    assert!(report["resumed"].as_u64() >= Some(2), "{report}");
    let left: Vec<_> = folder.names().into_iter().filter(|name| name.starts_with("cut")).collect();
    assert_eq!(left, ["cut.json", "cut.npy"]);
}
