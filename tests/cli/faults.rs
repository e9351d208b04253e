//! A process that is killed at any moment, again and again: nothing is lost, nothing is half-written, and what is gone on with
//! ends in the same bits. `RECON_KILLS` is the number of kills.
#![cfg(unix)]

use super::common::{Folder, kills, phantom, recon};
use ndarray::Array3;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills when nobody says how many.
const FEW: usize = 6;

/// Runs the program and kills it after a while; whether it had ended by itself.
fn killed_after(folder: &Folder, arguments: &str, moment: Duration) -> bool {
    let mut command = Command::new(recon("").get_program());
    command.current_dir(folder.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.args(arguments.split_whitespace()).spawn().expect("started");
    std::thread::sleep(moment);
    let ended = child.try_wait().expect("a child").is_some_and(|status| status.success());
    let _ = child.kill();
    child.wait().expect("a child");
    ended
}

#[test]
fn a_volume_survives_every_kill_with_the_same_bits() {
    let folder = Folder::new();
    let voxels = Array3::from_shape_fn((12, 64, 64), |(k, i, j)| phantom(64, 64, k as f32 / 40.0)[[i, j]]);
    folder.array("v.npy", voxels.view());
    let run = "ct v.npy --unit attenuation --photons 10000 --views 20 --method tv --threads 1";
    folder.recon(&format!("{run} -q -o whole.npy")).assert().success();
    let whole = std::fs::read(folder.path("whole.npy")).expect("there");
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut count, mut finished) = (0, 0);
    while count < kills(FEW) {
        let moment = Duration::from_millis(random.random_range(1..1500));
        // An output is there as a whole or not at all, also when the last act was the rename.
        if killed_after(&folder, &format!("{run} -o o.npy --resume --force"), moment)
            || folder.path("o.npy").exists()
        {
            assert_eq!(std::fs::read(folder.path("o.npy")).expect("there"), whole, "after {count} kills");
            std::fs::remove_file(folder.path("o.npy")).expect("removed");
            finished += 1;
        } else {
            count += 1;
        }
    }
    folder.recon(&format!("{run} -q -o o.npy --resume --force")).assert().success();
    assert_eq!(std::fs::read(folder.path("o.npy")).expect("there"), whole);
    assert_eq!(folder.names(), ["o.json", "o.npy", "v.npy", "whole.json", "whole.npy"], "nothing is left");
    println!("{count} kills, {finished} runs that ended in between");
}

#[test]
fn two_writers_of_one_output_leave_one_of_them() {
    let folder = Folder::new();
    folder.array("i.npy", phantom(48, 48, 0.0).view());
    let run = |seed: usize| {
        let mut command = Command::new(recon("").get_program());
        command.current_dir(folder.path("")).stdout(Stdio::null()).stderr(Stdio::piped());
        let line = format!(
            "ct i.npy --views 9 --unit attenuation --photons 1000 --method fbp --seed {seed} -o o.npy"
        );
        command.args(line.split(' ')).spawn().expect("started")
    };
    for round in 0..5 {
        let codes: Vec<i32> = (0..3)
            .map(run)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|child| child.wait_with_output().expect("a child").status.code().unwrap_or(-1))
            .collect();
        assert!(
            codes.contains(&0) && codes.iter().all(|code| [0, 1, 5].contains(code)),
            "{round}: {codes:?}"
        );
        let found = std::fs::read(folder.path("o.npy")).expect("there");
        let alone = (0..3).any(|seed| {
            let line = format!("ct i.npy --views 9 --unit attenuation --photons 1000 --method fbp --seed {seed} -q -o a.npy --force");
            folder.recon(&line).assert().success();
            std::fs::read(folder.path("a.npy")).expect("there") == found
        });
        assert!(alone, "{round}: the output is that of one of them");
        for name in ["o.npy", "o.json", "a.npy", "a.json"] {
            let _ = std::fs::remove_file(folder.path(name));
        }
    }
    assert_eq!(folder.names(), ["i.npy"]);
}

#[test]
fn no_home_no_temporary_folder_and_no_name_of_the_user_are_needed() {
    let folder = Folder::new();
    folder.array("i.npy", phantom(24, 24, 0.0).view());
    for output in ["o.npy", "o.nii.gz", "o.dcm"] {
        let line = format!("ct i.npy --unit hu --views 5 --method fbp -q -o {output}");
        let mut command = folder.recon(&line);
        command.env_remove("HOME").env("TMPDIR", "/nowhere").env_remove("USER").assert().success();
        std::fs::remove_file(folder.path("o.json")).expect("removed");
    }
}
