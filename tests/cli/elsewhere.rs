//! Batches beside processes on machines that cannot be seen.
#![cfg(unix)]

use super::common::{Folder, phantom};
use recon_pipelines::batch::{HEARTBEAT, SILENCE};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const PLAN: &str = "task = \"ct\"\nmethod = \"fbp\"\noutput_dir = \"out\"\n\
    options = { views = 12, unit = \"attenuation\" }\n[[case]]\ninput = \"in/*.npy\"\n";

/// A batch of two cases, of which a process on another machine still has the first, and the file that says so.
fn begun() -> (Folder, PathBuf) {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("in")).expect("made");
    for name in ["in/a.npy", "in/b.npy"] {
        folder.array(name, phantom(24, 24, 0.0).view());
    }
    std::fs::write(folder.path("plan.toml"), PLAN).expect("written");
    folder.recon("batch plan.toml").assert().success();
    let attempt = std::fs::read_dir(folder.path("out/recon-batch/cases"))
        .expect("listed")
        .map(|entry| entry.expect("listed").path())
        .find(|path| read(path)["output"].as_str().is_some_and(|output| output.starts_with('a')))
        .expect("an attempt");
    let mut about = read(&attempt);
    about["status"] = "running".into();
    about["files"] = json!([]);
    about["worker"]["host"] = "elsewhere".into();
    std::fs::write(&attempt, about.to_string()).expect("written");
    std::fs::remove_file(folder.path("out/a_recon.npy")).expect("removed");
    (folder, attempt)
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

fn signed(attempt: &PathBuf, ago: Duration) {
    let file = File::options().write(true).open(attempt).expect("there");
    file.set_modified(SystemTime::now() - ago).expect("set");
}

#[test]
fn a_case_whose_machine_died_is_waited_for_and_done() {
    let (folder, attempt) = begun();
    signed(&attempt, SILENCE - Duration::from_secs(4));
    let done = folder.recon("batch plan.toml --resume").output().expect("run");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.contains("on elsewhere is working on it"), "{said}");
    assert!(said.contains("on elsewhere is gone") && said.contains("2 of 2 cases done"), "{said}");
    assert!(folder.path("out/a_recon.npy").exists());
}

#[test]
fn a_case_whose_machine_gives_a_sign_of_life_is_left_to_it() {
    let (folder, attempt) = begun();
    let begin = Instant::now();
    let child = going_on(&folder).stderr(Stdio::piped()).spawn().expect("started");
    std::thread::sleep(Duration::from_secs(3));
    signed(&attempt, Duration::ZERO);
    let done = child.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.contains("1 of 2 cases done, 0 failed, 1 running"), "{said}");
    assert!(begin.elapsed() > Duration::from_secs(3) && begin.elapsed() < HEARTBEAT, "{said}");
    assert!(!folder.path("out/a_recon.npy").exists());
}

#[test]
fn waiting_ends_with_a_signal() {
    let (folder, _) = begun();
    let mut child = going_on(&folder).stderr(Stdio::null()).spawn().expect("started");
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().expect("a child").is_none(), "it waits");
    let (begin, id) = (Instant::now(), child.id().to_string());
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
    assert_eq!(child.wait().expect("ended").code(), Some(143));
    assert!(begin.elapsed() < Duration::from_secs(2));
}

/// The program, going on with the batch.
fn going_on(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recon"));
    command.current_dir(folder.path("")).args(["batch", "plan.toml", "--resume"]).stdout(Stdio::null());
    command
}
