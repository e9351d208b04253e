//! Trainings by the real program that are killed, stopped and resumed.
#![cfg(unix)]

use crate::common::{Folder, kills, phantom};
use ndarray::{Array3, Axis, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const STEPS: u64 = 30;
const NETWORK: &str = "--channels 8,8 --blocks 1,1 --middle 1 --embedding 8";
const LENGTH: &str = "--log-every 3 --crops 16x2:2,24x1:1 --save-every 0.02s --validate-every 30";

/// A folder with volumes to learn from and to validate on.
fn folder() -> Folder {
    let folder = Folder::new();
    for (name, shift) in [("a.npy", 0.0), ("b.npy", 0.1), ("held-out.npy", -0.1)] {
        let slices = if name == "held-out.npy" { 1 } else { 3 };
        let mut volume = Array3::zeros((slices, 26, 22));
        for (k, mut slice) in volume.axis_iter_mut(Axis(0)).enumerate() {
            slice.assign(&phantom(26, 22, shift + 0.02 * k as f32));
        }
        folder.array(name, volume.slice(s![.., .., ..]));
    }
    folder
}

fn arguments(output: &str, network: &str) -> String {
    format!(
        "train a.npy b.npy -o {output} --modality mr --steps {STEPS} --quiet --seed 4 {network} {LENGTH} \
         --validation held-out.npy --resume"
    )
}

fn spawn(folder: &Folder, arguments: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recon"));
    command.current_dir(folder.path(".")).args(arguments.split_whitespace());
    command.env_remove("RECON_CONFIG").stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("started")
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Waits until the log has `count` lines, or the program has ended.
fn wait_for_lines(child: &mut Child, log: &Path, count: usize) {
    let start = Instant::now();
    while lines(log) < count && child.try_wait().expect("asked").is_none() {
        assert!(start.elapsed() < Duration::from_secs(300), "no progress");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The lines of a log without the times, which no two runs share.
fn timeless(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).expect("a log");
    let line = |text: &str| {
        let mut line: serde_json::Value = serde_json::from_str(text).expect("a whole line");
        if let Some(fields) = line.as_object_mut() {
            fields.remove("seconds");
        }
        line
    };
    text.lines().map(line).collect()
}

/// Everything in a state but its metadata, which hold the time spent.
fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).expect("a state");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a whole state");
    let mut all: Vec<_> =
        file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    all.sort();
    all
}

fn assert_same(folder: &Folder, network: &str, other: &str) {
    folder.recon(&arguments("whole", network)).assert().success();
    let at = |output: &str, name: &str| folder.path(output).join(name);
    for name in ["weights.safetensors", "best/weights.safetensors", "samples/step-000030.png"] {
        let [a, b] = ["whole", other].map(|output| std::fs::read(at(output, name)).expect("written"));
        assert!(a == b, "{name} differs");
    }
    assert!(tensors(&at("whole", "state.safetensors")) == tensors(&at(other, "state.safetensors")));
    let [whole, broken] = ["whole", other].map(|output| timeless(&at(output, "log.jsonl")));
    assert_eq!(whole.len(), 10 + 1);
    assert_eq!(whole, broken);
    let steps: Vec<u64> = broken
        .iter()
        .filter(|l| l.get("loss").is_some())
        .map(|l| l["step"].as_u64().expect("a step"))
        .collect();
    assert_eq!(steps, (1..=10).map(|i| 3 * i).collect::<Vec<_>>());
}

/// Kills the program at `kills` random moments and lets it end.
fn kill_and_resume(network: &str, kills: usize) {
    let folder = folder();
    // Not the same moments every time: whichever they are, nothing may differ.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    let mut rng = ChaCha8Rng::seed_from_u64(now.as_nanos() as u64);
    let log = folder.path("killed").join("log.jsonl");
    for _ in 0..kills {
        let mut child = spawn(&folder, &arguments("killed", network));
        let more = rng.random_range(0..4);
        let count = lines(&log) + more;
        wait_for_lines(&mut child, &log, count);
        std::thread::sleep(Duration::from_micros(rng.random_range(0..60_000)));
        println!("killed after line {}", lines(&log));
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    folder.recon(&arguments("killed", network)).assert().success();
    assert_same(&folder, network, "killed");
}

#[test]
fn a_killed_training_ends_with_the_bits_of_an_unbroken_one() {
    kill_and_resume(NETWORK, kills(3));
}

#[test]
fn a_killed_training_of_a_published_network_does_so_too() {
    let arch = "architecture = \"ncsnpp\"\n[model]\nnf = 8\nch_mult = [1, 1]\nnum_res_blocks = 1\n\
                attn_resolutions = []\nembedding_type = \"fourier\"\nresblock_type = \"biggan\"\nfir = true\n\
                scale_by_sigma = true\n[data]\nimage_size = 16\nnum_channels = 1\ncentered = true\n[sde]\n\
                kind = \"ve\"\nsigma_min = 0.01\nsigma_max = 5.0\n";
    let path = std::env::temp_dir().join(format!("recon-arch-{}.toml", std::process::id()));
    std::fs::write(&path, arch).expect("written");
    kill_and_resume(
        &format!("--arch {} --warm-up 5 --accumulate 2 --likelihood-weighting", path.display()),
        1,
    );
    std::fs::remove_file(&path).expect("removed");
}

#[test]
fn a_stopped_training_saves_and_goes_on() {
    let folder = folder();
    let long = arguments("stopped", NETWORK).replace("--save-every 0.02s", "--save-every 10h");
    let mut child = spawn(&folder, &long);
    let log = folder.path("stopped").join("log.jsonl");
    wait_for_lines(&mut child, &log, 2);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .expect("sent");
    assert_eq!(child.wait().expect("ended").code(), Some(143));
    assert!(!tensors(&folder.path("stopped").join("state.safetensors")).is_empty());
    folder.recon(&long).assert().success();
    assert_same(&folder, NETWORK, "stopped");
    // Without --resume the training is safe, and another seed would be another training.
    folder.recon(&long.replace(" --resume", "")).assert().code(5);
    let other = folder.recon(&long.replace("--seed 4", "--seed 5")).assert().code(2);
    assert!(String::from_utf8_lossy(&other.get_output().stderr).contains("--seed 4"));
}
