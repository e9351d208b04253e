//! Batches on a cluster, and what its machines and disks do to them. What needs Slurm, root or a program that is not there
//! says on stderr that it is skipped.
#![cfg(unix)]

mod disks;
mod server;
mod snakemake;
mod snippets;

use super::common::{Folder, phantom};
use serde_json::Value;
use server::{Slurm, skipped};
use server::{binary, wait_for};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A plan over everything in `in`; a slice of 32² takes a few tenths of a second.
const PLAN: &str = "task = \"ct\"\nmethod = \"tv\"\noutput_dir = \"out\"\n\
    options = { views = 12, unit = \"attenuation\", photons = 10000, steps = 60 }\n[[case]]\ninput = \"in/*.npy\"\n";

/// A folder with so many images in `in`, and a plan.
fn study(count: usize, side: usize, plan: &str) -> Folder {
    filled(Folder::new(), count, side, plan)
}

fn filled(folder: Folder, count: usize, side: usize, plan: &str) -> Folder {
    std::fs::create_dir(folder.path("in")).expect("made");
    for k in 0..count {
        folder.array(&format!("in/s{k:02}.npy"), phantom(side, side, k as f32 / 100.0).view());
    }
    folder.bytes("plan.toml", plan.as_bytes());
    folder
}

/// The images in a folder, by their names.
fn images(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("listed").map(|entry| entry.expect("listed").path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "npy"))
        .map(|path| {
            (path.file_name().expect("named").to_string_lossy().into(), std::fs::read(path).expect("read"))
        })
        .collect()
}

/// What the same study gives in one process without a cluster.
fn alone(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let plan = std::fs::read_to_string(folder.path("plan.toml")).expect("there");
    folder.bytes("alone.toml", plan.replace("\"out\"", "\"alone\"").as_bytes());
    folder.recon("batch alone.toml -q").assert().success();
    images(&folder.path("alone"))
}

fn status(folder: &Folder) -> Value {
    let output = folder.recon("batch status plan.toml --json").output().expect("run");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Attempts of this status that are written down.
fn attempts(folder: &Folder, status: &str) -> Vec<Value> {
    let Ok(files) = std::fs::read_dir(folder.path("out/recon-batch/cases")) else { return Vec::new() };
    let read = |path: std::path::PathBuf| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    let all = files.filter_map(|entry| read(entry.expect("listed").path()));
    all.filter(|attempt: &Value| attempt["status"] == status).collect()
}

/// Unfinished files anywhere below a folder.
fn temporaries(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("listed") {
        let path = entry.expect("listed").path();
        let name = path.file_name().expect("named").to_string_lossy().into_owned();
        if name.starts_with('.') {
            found.push(name);
        } else if path.is_dir() {
            found.extend(temporaries(&path));
        }
    }
    found
}

fn logs(folder: &Folder) -> String {
    let mut paths: Vec<_> = std::fs::read_dir(folder.path("out/recon-batch/logs"))
        .expect("listed")
        .map(|entry| entry.expect("listed").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("text")).collect()
}

#[test]
fn a_job_array_does_what_it_can_and_names_what_failed() {
    let Some(slurm) = Slurm::start("a_job_array_does_what_it_can_and_names_what_failed") else { return };
    // Everything that a shell, Slurm's directives and its patterns for logs might stumble over.
    let folder = filled(Folder::named("o'd \"d\" #1 100% $HOME "), 12, 32, PLAN);
    let whole = alone(&folder);
    folder.bytes("in/s05.npy", b"\x93NUMPYgarbage");
    let job = slurm.submit(&folder, "--tasks 4 --cpus 1 --requeue --partition main --time 1:00:00");
    let tasks = slurm.ended(&job, 4);
    let codes: Vec<&str> = tasks.iter().map(|task| &*task.exit).collect();
    // Case 5, counted from 0, is of part 2 of 4.
    assert_eq!(codes, ["0:0", "4:0", "0:0", "0:0"], "{}", logs(&folder));
    let found = status(&folder);
    assert_eq!((&found["cases"], &found["done"], &found["failed"]), (&12.into(), &11.into(), &1.into()));
    let reason = attempts(&folder, "failed").pop().expect("one")["reason"].to_string();
    assert!(reason.contains("s05.npy"), "{reason}");
    let mut wanted = whole;
    wanted.remove("s05_recon.npy");
    assert_eq!(images(&folder.path("out")), wanted, "as in one process");
    assert_eq!(temporaries(&folder.path("out")), [""; 0]);
    let table = folder.recon("batch status plan.toml").output().expect("run").stdout;
    let table = String::from_utf8(table).expect("UTF-8");
    assert!(table.starts_with("11 of 12 cases done, 1 failed, 0 running, 0 pending\ncase "), "{table}");
}

#[test]
fn a_task_that_is_told_of_its_end_goes_on_in_another_job() {
    let Some(slurm) = Slurm::start("a_task_that_is_told_of_its_end_goes_on_in_another_job") else { return };
    let folder = study(6, 96, &PLAN.replace("steps = 60", "steps = 200"));
    let whole = alone(&folder);
    let job = slurm.submit(&folder, "--tasks 1 --cpus 1 --requeue");
    wait_for("a case that is done", || (!attempts(&folder, "done").is_empty()).then_some(()));
    // What Slurm does two minutes before the end of the time.
    slurm.said(&format!("scancel --batch --signal=USR1 {job}"));
    wait_for("another job", || (slurm.tasks(&job)[0].state == "PENDING").then_some(()));
    // Slurm would wait for two minutes; within the second in which the first job ended it refuses the credential of another.
    std::thread::sleep(std::time::Duration::from_secs(4));
    slurm.said(&format!("scontrol update JobId={job}_1 StartTime=now"));
    let tasks = slurm.ended(&job, 1);
    let ended = (&*tasks[0].state, &*tasks[0].exit, tasks[0].restarts);
    assert_eq!(ended, ("COMPLETED", "0:0", 1), "{}", logs(&folder));
    assert!(logs(&folder).contains("interrupted"), "{}", logs(&folder));
    assert_eq!(images(&folder.path("out")), whole);
    assert_eq!(attempts(&folder, "done").len(), 6, "no case is done twice");
}

#[test]
fn tasks_that_are_killed_or_cancelled_stay_so_and_are_gone_on_with() {
    let Some(slurm) = Slurm::start("tasks_that_are_killed_or_cancelled_stay_so_and_are_gone_on_with") else {
        return;
    };
    let folder = study(4, 96, &PLAN.replace("steps = 60", "steps = 300"));
    let whole = alone(&folder);
    let job = slurm.submit(&folder, "--tasks 2 --cpus 1 --requeue");
    let running = wait_for("two cases in work", || {
        Some(attempts(&folder, "running")).filter(|attempts| attempts.len() == 2)
    });
    let is_of_first =
        |attempt: &&Value| ["s00_recon.npy", "s02_recon.npy"].iter().any(|&name| attempt["output"] == name);
    let of_first = running.iter().find(is_of_first).expect("one");
    let killed = Command::new("kill").args(["-9", &of_first["worker"]["pid"].to_string()]).status();
    assert!(killed.expect("started").success());
    slurm.said(&format!("scancel {job}_2"));
    let tasks = slurm.ended(&job, 2);
    assert_eq!((&*tasks[0].state, &*tasks[0].exit), ("FAILED", "137:0"));
    assert_eq!((&*tasks[1].state, tasks[1].restarts), ("CANCELLED", 0));
    assert_eq!(status(&folder)["running"], 0, "what is gone does not run");
    let script = folder.path("out/recon-batch/submit.sh");
    let job = slurm.said(&format!("sbatch --parsable {}", script.display()));
    let tasks = slurm.ended(job.trim(), 2);
    assert!(tasks.iter().all(|task| task.exit == "0:0"), "{tasks:?}\n{}", logs(&folder));
    assert_eq!(images(&folder.path("out")), whole);
    assert_eq!(temporaries(&folder.path("out")), [""; 0]);
}

#[test]
fn a_script_is_shown_and_what_cannot_be_submitted_is_refused_in_one_line() {
    let folder = study(3, 16, PLAN);
    let shown = folder.recon("batch submit --slurm plan.toml --mem 2G --gpus a100:1 --dry-run -- --qos=long");
    let shown = { shown }.output().expect("run");
    let script = String::from_utf8(shown.stdout).expect("UTF-8");
    for line in ["#SBATCH --array=1-3", "#SBATCH --mem=2G", "#SBATCH --gpus=a100:1", "#SBATCH --qos=long"] {
        assert!(script.lines().any(|other| other == line), "{line} in {script}");
    }
    assert!(script.contains(&binary().display().to_string()) && !folder.path("out").exists());
    for (options, code) in [
        ("--slurm plan.toml --time 3", 2),
        ("--slurm plan.toml --partition a;b", 2),
        ("--slurm plan.toml --dry-run -- touch", 2),
        ("--slurm in", 2),
        ("plan.toml", 2),
        ("--slurm none.toml", 3),
        // There is no sbatch on this PATH.
        ("--slurm plan.toml", 1),
    ] {
        let mut command = folder.recon(&format!("batch submit {options}"));
        let output = command.env("PATH", "/nowhere").output().expect("run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{options}: {said}");
        assert!(said.starts_with("error: ") && said.lines().count() == 1, "{options}: {said}");
    }
    assert!(!folder.path("out").exists(), "nothing is written");
}
