//! Batches: many scans by a plan, shared between processes, gone on with after anything.
#![cfg(unix)]

use super::common::{Folder, kills, phantom, recon};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Kills when nobody says how many.
const FEW: usize = 5;

/// A folder with so many small images in `in`, and a plan.
fn begun(count: usize, side: usize, plan: &str) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("in")).expect("made");
    for k in 0..count {
        folder.array(&format!("in/s{k:02}.npy"), phantom(side, side, k as f32 / 100.0).view());
    }
    std::fs::write(folder.path("plan.toml"), plan).expect("written");
    folder
}

const PLAN: &str = "task = \"ct\"\nmethod = \"tv\"\noutput_dir = \"out\"\n\
    options = { views = 12, unit = \"attenuation\", photons = 10000, steps = 30 }\n[[case]]\ninput = \"in/*.npy\"\n";

fn start(folder: &Folder, arguments: &str) -> Child {
    let mut command = Command::new(recon("").get_program());
    command.current_dir(folder.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    command.args(arguments.split_whitespace()).spawn().expect("started")
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The images below a folder, by their names.
fn images(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("listed").map(|entry| entry.expect("listed").path());
    let images = files.filter(|path| path.extension().is_some_and(|ending| ending == "npy"));
    images
        .map(|path| (path.file_name().expect("named").into(), std::fs::read(&path).expect("read")))
        .collect()
}

/// All attempts that are written down.
pub(crate) fn attempts(folder: &Folder) -> Vec<Value> {
    let files = std::fs::read_dir(folder.path("out/recon-batch/cases")).expect("listed");
    let read = |path: PathBuf| serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON");
    let files = files.map(|entry| entry.expect("listed").path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).map(read).collect()
}

fn count(attempts: &[Value], status: &str) -> usize {
    attempts.iter().filter(|attempt| attempt["status"] == status).count()
}

/// Names in the folder of outputs and of records that neither are results nor records.
fn temporaries(folder: &Folder) -> Vec<String> {
    ["out", "out/recon-batch", "out/recon-batch/cases"]
        .iter()
        .flat_map(|name| {
            let names = std::fs::read_dir(folder.path(name)).expect("listed");
            names.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned())
        })
        .filter(|name| name.starts_with('.'))
        .collect()
}

#[test]
fn defaults_of_a_plan_hold_where_a_case_has_such_an_option() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("scans")).expect("made");
    for name in ["scans/a.npy", "scans/b.npy", "brain.npy"] {
        folder.array(name, phantom(24, 24, 0.0).view());
    }
    let plan = "task = \"ct\"\nmethod = \"fbp\"\noutput_dir = \"out\"\noutput = \"{stem}_recon.nii.gz\"\n\
        options = { views = 60 }\n[[case]]\ninput = \"scans/*.npy\"\n\
        [[case]]\ninput = \"brain.npy\"\ntask = \"mri\"\nmethod = \"tv\"\noptions = { accel = 4 }\n";
    std::fs::write(folder.path("plan.toml"), plan).expect("written");
    folder.recon("batch plan.toml").assert().success();
    let sidecar: Value =
        serde_json::from_slice(&std::fs::read(folder.path("out/a_recon.json")).expect("there"))
            .expect("JSON");
    assert_eq!(sidecar["case"]["task"]["views"], 60);
    assert!(folder.path("out/b_recon.nii.gz").is_file() && folder.path("out/brain_recon.nii.gz").is_file());
    let status = folder.recon("batch status plan.toml --json").output().expect("run");
    let status: Value = serde_json::from_slice(&status.stdout).expect("one JSON object");
    assert_eq!((&status["cases"], &status["done"], &status["pending"]), (&3.into(), &3.into(), &0.into()));
    let read = |name: &str| {
        std::fs::read_to_string(folder.path(&format!("out/recon-batch/{name}"))).expect("written")
    };
    assert_eq!(read("summary.tsv").lines().count(), 4);
    assert!(read("metrics.prom").contains("recon_batch_cases{status=\"done\"} 3"));
    let page = read("report.html");
    for part in ["a.npy", "../a_recon.nii.gz", "baseline", "brain.npy"] {
        assert!(page.contains(part), "{part}");
    }
    // A second time only if asked.
    folder.recon("batch plan.toml").assert().code(5);
    folder.recon("batch plan.toml --resume").assert().success();
    assert_eq!(attempts(&folder).len(), 3);
}

#[test]
fn everything_wrong_with_a_plan_is_told_at_once() {
    let plan = "task = \"ct\"\n[[case]]\ninput = \"none.npy\"\n[[case]]\ninput = \"in/s00.npy\"\noptions = { viewz = 3 }\n\
        [[case]]\ninput = \"in/s00.npy\"\nmethod = \"magic\"\n[[case]]\ninput = \"in/*.npy\"\noptions = { views = 0 }\n\
        [[case]]\ninput = \"in/s01.npy\"\noptions = { threads = 3 }\n";
    let folder = begun(2, 16, plan);
    let output = folder.recon("batch plan.toml").output().expect("run");
    assert_eq!(output.status.code(), Some(2));
    let text = said(&output);
    for part in
        ["none.npy: is not there", "viewz", "magic", "--views", "option threads", "problems in the plan"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!folder.path("out").exists(), "nothing was started");
    folder.recon("batch in --task ct -o out --option viewz=3").assert().code(2);
    folder.recon("batch in --task ct").assert().code(2);
}

#[test]
fn a_file_of_somebody_else_is_neither_replaced_nor_lost() {
    let folder = begun(2, 16, &PLAN.replace("tv", "fbp").replace(", steps = 30", ""));
    std::fs::create_dir(folder.path("out")).expect("made");
    std::fs::write(folder.path("out/s01_recon.npy"), b"mine").expect("written");
    folder.recon("batch plan.toml").assert().code(2);
    assert_eq!(std::fs::read(folder.path("out/s01_recon.npy")).expect("there"), b"mine");
    std::fs::remove_file(folder.path("out/s01_recon.npy")).expect("removed");
    folder.recon("batch plan.toml").assert().success();
    folder.recon("batch plan.toml --force").assert().success();
    assert_eq!(count(&attempts(&folder), "done"), 4);
}

#[test]
fn one_bad_case_is_reported_and_the_others_are_done() {
    let folder = begun(5, 16, &PLAN.replace("tv", "fbp").replace(", steps = 30", ""));
    std::fs::write(folder.path("in/s02.npy"), b"\x93NUMPYgarbage").expect("written");
    let output = folder.recon("batch plan.toml --retries 2").output().expect("run");
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert_eq!((count(&attempts(&folder), "done"), count(&attempts(&folder), "failed")), (4, 3));
    let failed = attempts(&folder).into_iter().find(|attempt| attempt["status"] == "failed").expect("one");
    assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains("readable .npy")), "{failed}");
    folder.array("in/s02.npy", phantom(16, 16, 0.02).view());
    folder.recon("batch plan.toml --resume").assert().success();
    assert_eq!(count(&attempts(&folder), "done"), 5);
}

#[test]
fn what_has_changed_is_done_again_and_the_change_is_named() {
    let plan = PLAN.replace("tv", "fbp").replace(", steps = 30", "");
    let folder = begun(3, 16, &plan);
    folder.recon("batch plan.toml").assert().success();
    let first = images(&folder.path("out"));
    folder.array("in/s01.npy", phantom(16, 16, 0.5).view());
    std::fs::remove_file(folder.path("out/s02_recon.npy")).expect("removed");
    let text = said(&folder.recon("batch plan.toml --resume").output().expect("run"));
    assert!(
        text.contains("s01.npy: again: another input") && text.contains("s02_recon.npy is missing"),
        "{text}"
    );
    assert!(!text.contains("s00.npy"), "{text}");
    let second = images(&folder.path("out"));
    let same = |name: &str| first[Path::new(name)] == second[Path::new(name)];
    assert!(same("s00_recon.npy") && !same("s01_recon.npy") && same("s02_recon.npy"));
    std::fs::write(folder.path("plan.toml"), plan.replace("views = 12", "views = 13")).expect("written");
    let text = said(&folder.recon("batch plan.toml --resume").output().expect("run"));
    assert_eq!(text.matches("again: another options").count(), 3, "{text}");
}

#[test]
fn shards_and_processes_share_the_work_and_the_bits_are_the_same() {
    let folder = begun(12, 24, PLAN);
    folder.recon("batch plan.toml --threads 1").assert().success();
    let whole = images(&folder.path("out"));
    assert_eq!(whole.len(), 12);
    for parts in [2, 4] {
        std::fs::remove_dir_all(folder.path("out")).expect("removed");
        let children: Vec<Child> = (1..=parts)
            .map(|part| start(&folder, &format!("batch plan.toml --threads 2 --shard {part}/{parts}")))
            .collect();
        children.into_iter().for_each(|mut child| assert!(child.wait().expect("a child").success()));
        assert_eq!(images(&folder.path("out")), whole, "{parts} parts");
        assert_eq!(attempts(&folder).len(), 12);
    }
    // Without parts, processes take what is left.
    std::fs::remove_dir_all(folder.path("out")).expect("removed");
    let children: Vec<Child> =
        (0..3).map(|_| start(&folder, "batch plan.toml --resume --threads 1")).collect();
    children.into_iter().for_each(|mut child| assert!(child.wait().expect("a child").success()));
    assert_eq!(images(&folder.path("out")), whole);
    assert_eq!(
        (attempts(&folder).len(), count(&attempts(&folder), "done")),
        (12, 12),
        "no case is done twice"
    );
    assert_eq!(temporaries(&folder), [""; 0]);
}

#[test]
fn a_batch_survives_every_kill_with_the_same_bits() {
    let folder = begun(40, 24, PLAN);
    folder.recon("batch plan.toml --threads 2 -q").assert().success();
    let whole = images(&folder.path("out"));
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut killed, mut rounds) = (0, 0);
    while killed < kills(FEW) {
        std::fs::remove_dir_all(folder.path("out")).expect("removed");
        rounds += 1;
        loop {
            let mut child = start(&folder, "batch plan.toml --resume --threads 2");
            std::thread::sleep(Duration::from_millis(random.random_range(1..1200)));
            if child.try_wait().expect("a child").is_some_and(|status| status.success())
                || killed >= kills(FEW)
            {
                assert!(child.wait().expect("a child").success());
                break;
            }
            let _ = child.kill();
            child.wait().expect("a child");
            killed += 1;
        }
        assert_eq!(images(&folder.path("out")), whole, "after {killed} kills");
        assert_eq!(count(&attempts(&folder), "done"), 40, "no case is done twice");
        assert_eq!(temporaries(&folder), [""; 0]);
    }
    println!("{killed} kills over {rounds} batches");
}

#[test]
fn a_signal_ends_a_batch_and_nothing_is_lost() {
    let plan = PLAN.replace("steps = 30", "steps = 400");
    let folder = begun(8, 96, &plan);
    for (signal, gently) in [("TERM", false), ("USR1", true)] {
        let mut child = start(&folder, "batch plan.toml --resume --threads 1");
        let begin = Instant::now();
        while !folder.path("out/recon-batch/cases").is_dir() || count(&attempts(&folder), "running") == 0 {
            assert!(begin.elapsed() < Duration::from_secs(20), "nothing is begun");
            std::thread::sleep(Duration::from_millis(20));
        }
        // Into its slice, which takes longer than that.
        std::thread::sleep(Duration::from_millis(400));
        let before = count(&attempts(&folder), "done");
        let id = child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill").success());
        assert_eq!(child.wait().expect("a child").code(), Some(143), "{signal}");
        let after = attempts(&folder);
        assert_eq!(count(&after, "running"), 0, "{signal}");
        if gently {
            assert_eq!(count(&after, "done"), before + 1, "the case in work is finished");
        }
    }
    let quick = PLAN.replace("steps = 30", "steps = 3");
    std::fs::write(folder.path("plan.toml"), quick).expect("written");
    folder.recon("batch plan.toml --resume").assert().success();
    assert_eq!(images(&folder.path("out")).len(), 8);
}

#[test]
fn a_dry_run_tells_what_the_cases_take_and_does_nothing() {
    let folder = begun(4, 64, &PLAN.replace("steps = 30", "steps = 60"));
    std::fs::write(folder.path("in/s03.npy"), b"\x93NUMPYgarbage").expect("written");
    let output = folder.recon("batch plan.toml --dry-run --json --threads 2").output().expect("run");
    let shown: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&shown["workers"], &shown["threads"]), (&2.into(), &1.into()));
    let cases = shown["cases"].as_array().expect("cases");
    assert!(cases[..3].iter().all(|case| case["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0)));
    assert!(cases[3]["problem"].as_str().is_some_and(|problem| problem.contains("readable .npy")));
    assert!(shown["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{shown}");
    assert!(!folder.path("out").exists());
    let refused = folder.recon("batch plan.toml --mem 2M").output().expect("run");
    assert!(
        refused.status.code() == Some(6) && said(&refused).contains("a case takes"),
        "{}",
        said(&refused)
    );
    assert!(!folder.path("out").exists());
    std::fs::remove_file(folder.path("in/s03.npy")).expect("removed");
    let held = folder.recon("batch plan.toml --mem 4G").output().expect("run");
    assert!(held.status.success() && said(&held).contains("estimated "), "{}", said(&held));
    // The next task finds the trial, whatever it says.
    let trials: Vec<PathBuf> = std::fs::read_dir(folder.path("out/recon-batch/trials"))
        .expect("trials are kept")
        .map(|entry| entry.expect("listed").path())
        .collect();
    let [trial] = &trials[..] else { panic!("{trials:?}: one kind of case") };
    let mut found: Value = serde_json::from_slice(&std::fs::read(trial).expect("read")).expect("JSON");
    found["peak_bytes"] = (1_u64 << 40).into();
    std::fs::write(trial, found.to_string()).expect("written");
    let refused = folder.recon("batch plan.toml --resume --mem 4G").output().expect("run");
    assert!(refused.status.code() == Some(6), "{}", said(&refused));
}
