//! Full disks, files that may not be read, homes that may not be written, and models that change.

use super::server::{is_root, program};
use super::{PLAN, alone, attempts, binary, images, skipped, status, study, temporaries};
use crate::common::Folder;
use recon_data::digest;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A small disk in memory, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mounted(at: &Path, bytes: usize) -> Option<Self> {
        std::fs::create_dir(at).expect("made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(at);
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_full_disk_costs_no_more_than_room_for_what_was_not_done() {
    let folder = study(6, 128, &PLAN.replace("steps = 60", "steps = 3"));
    let whole = alone(&folder);
    let Some(disk) = is_root().then(|| Disk::mounted(&folder.path("out"), 4 << 20)).flatten() else {
        return skipped(
            "a_full_disk_costs_no_more_than_room_for_what_was_not_done",
            "only root may mount one",
        );
    };
    // Room for a result or two of 64 KiB, their pictures, and what is written down about them.
    let filler = folder.path("out/filler");
    std::fs::write(&filler, vec![1; (4 << 20) - (500 << 10)]).expect("written");
    let output = folder.recon("batch plan.toml --threads 1").output().expect("run");
    assert!([Some(1), Some(4)].contains(&output.status.code()), "{}", said(&output));
    assert!(said(&output).contains("space"), "{}", said(&output));
    let there = images(&folder.path("out"));
    assert!(!there.is_empty() && there.len() < 6, "{:?}", there.keys());
    assert!(there.iter().all(|(name, bytes)| whole[name] == *bytes), "nothing is half-written");
    assert_ne!(status(&folder)["done"], 6);
    std::fs::remove_file(&filler).expect("removed");
    folder.recon("batch plan.toml --resume").assert().success();
    assert_eq!(images(&folder.path("out")), whole);
    assert_eq!(temporaries(&folder.path("out")), [""; 0]);
    drop(disk);
}

/// The program as a user without rights, where that can be had.
fn as_nobody(folder: &Folder) -> Option<Command> {
    if !is_root() {
        let mut command = Command::new(binary());
        command.current_dir(folder.path(""));
        return Some(command);
    }
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let own = folder.path("recon");
    // The program may lie where only its owner gets to.
    std::fs::copy(binary(), &own).expect("copied");
    for path in [folder.path(""), own.clone()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).expect("set");
    }
    let mut command = Command::new(program("setpriv")?);
    command.args(user).arg(own).current_dir(folder.path(""));
    let mut probe = Command::new(program("setpriv")?);
    let works = probe.args(user).arg("true").output().is_ok_and(|output| output.status.success());
    works.then_some(command)
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_a_home_is_not_needed() {
    let folder = study(3, 16, PLAN);
    let home = folder.path("home");
    std::fs::create_dir(&home).expect("made");
    for (path, mode) in [(home.clone(), 0o555), (folder.path("in/s01.npy"), 0o000)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("set");
    }
    let run = |set: &dyn Fn(&mut Command)| {
        let mut command = as_nobody(&folder)?;
        set(command.args(["batch", "plan.toml", "--resume"]));
        Some(command.output().expect("started"))
    };
    let bare = |command: &mut Command| {
        command.env_remove("HOME").env("TMPDIR", "/nowhere").env_remove("USER");
    };
    let Some(output) = run(&bare) else {
        return skipped("a_file_that_may_not_be_read_is_named_and_a_home_is_not_needed", "needs setpriv");
    };
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert_eq!(attempts(&folder, "done").len(), 2);
    let failed = attempts(&folder, "failed");
    let reason = failed[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("s01.npy") && reason.to_lowercase().contains("permission"), "{reason}");
    std::fs::set_permissions(folder.path("in/s01.npy"), PermissionsExt::from_mode(0o644)).expect("set");
    let output = run(&|command: &mut Command| {
        command.env("HOME", &home).env("TMPDIR", &home);
    })
    .expect("as before");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(home.read_dir().expect("listed").count(), 0, "nothing is written to a home");
}

/// A model like the one inside for CT, but for the last bit of the last weight, and under its own name.
fn model(folder: &Folder, last_bit: u8) {
    let shipped = recon_data::weights::CT;
    let mut weights = shipped.weights.expect("inside").to_vec();
    *weights.last_mut().expect("weights") ^= last_bit;
    let old = digest::sha256_bytes(shipped.weights.expect("inside"));
    assert!(shipped.manifest.contains(&old), "the card names its weights by their digest");
    let card = shipped.manifest.replace(&old, &digest::sha256_bytes(&weights));
    std::fs::create_dir_all(folder.path("model")).expect("made");
    folder.bytes("model/weights.safetensors", &weights);
    folder.bytes("model/manifest.toml", card.as_bytes());
}

#[test]
fn a_case_is_done_again_with_another_model_and_says_so() {
    let plan = "task = \"ct\"\nmethod = \"score\"\noutput_dir = \"out\"\n\
        options = { views = 12, unit = \"hu\", steps = 2, model = \"model\" }\n[[case]]\ninput = \"in/*.npy\"\n";
    let folder = study(1, 16, plan);
    model(&folder, 0);
    folder.recon("batch plan.toml -q").assert().success();
    let run = || said(&folder.recon("batch plan.toml --resume").output().expect("run"));
    assert!(!run().contains("again"), "nothing has changed");
    model(&folder, 1);
    assert!(run().contains("s00.npy: again: another model"));
    assert_eq!(attempts(&folder, "done").len(), 2);
    assert!(!run().contains("again"));
}
