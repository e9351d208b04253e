//! Many small slices: one after another, and as a batch that works on several beside each other.
#![allow(missing_docs, reason = "the program has no public items")]

use ndarray::Array2;
use recon_data::{Overwrite, npy};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

/// Pixels along a side.
const SIDE: usize = 96;
/// Slices in a batch.
const SLICES: usize = 24;
/// Cases of the batch whose overhead is measured.
const CASES: usize = 100;
/// Rounds of which the fastest counts.
const ROUNDS: usize = 3;

fn main() {
    if !std::env::args().skip(1).all(|argument| argument == "--bench") {
        return;
    }
    println!("{SLICES} slices of {SIDE} x {SIDE}, 24 views, total variation of 60 steps, two threads:");
    throughput("tv --set steps=60");
    println!("the same with the learned prior in 8 steps:");
    throughput("score --set steps=8 --set passes=1");
    overhead();
}

/// A folder with images in `in`.
fn folder(count: usize, side: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("in")).expect("made");
    let centre = side as f32 / 2.0;
    for k in 0..count {
        let slice = Array2::from_shape_fn((side, side), |(i, j)| {
            let (y, x) = ((i as f32 - centre) / centre, (j as f32 - centre) / centre);
            if x * x + y * y < 0.7 {
                40.0 + 20.0 * ((9.0 + k as f32) * x).sin() * (7.0 * y).cos()
            } else {
                -1000.0
            }
        });
        let path = folder.path().join(format!("in/{k:03}.npy"));
        npy::write_real(&path, slice.view(), Overwrite::Force).expect("written");
    }
    folder
}

/// Runs the program and says how long it took, in seconds.
fn run(folder: &Path, line: &str) -> f64 {
    let out = folder.join("out");
    if out.exists() {
        std::fs::remove_dir_all(out).expect("removed");
    }
    let begin = Instant::now();
    let done =
        Command::new(env!("CARGO_BIN_EXE_recon")).current_dir(folder).args(line.split_whitespace()).status();
    assert!(done.expect("started").success(), "{line}");
    begin.elapsed().as_secs_f64()
}

fn throughput(method: &str) {
    let folder = folder(SLICES, SIDE);
    let said = format!("in --unit hu --views 24 --method {method} -q -o out");
    let (name, settings) = method.split_once(' ').expect("a name and settings");
    let options = settings.replace("--set ", "--option ");
    let batch =
        format!("batch in --task ct --method {name} --option unit=hu --option views=24 {options} -q -o out");
    let lines =
        [format!("ct {said} --threads 1"), format!("ct {said} --threads 2"), format!("{batch} --threads 2")];
    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        for (best, line) in best.iter_mut().zip(&lines) {
            *best = best.min(run(folder.path(), line));
        }
    }
    let [one, two, batch] = best;
    println!("  one after another on one thread {one:.2} s, on two {two:.2} s; as a batch {batch:.2} s");
    println!(
        "  a batch is {:.2} times as fast as one thread, {:.2} times as two threads a slice",
        one / batch,
        two / batch
    );
}

/// The share of the time of a batch in which no case is worked on.
fn overhead() {
    let folder = folder(CASES, SIDE);
    let line = "batch in --task ct --method tv --option unit=hu --option views=24 -q -o out --threads 2";
    let (mut share, mut seconds) = (f64::INFINITY, 0.0);
    for _ in 0..ROUNDS {
        let wall = run(folder.path(), line);
        let attempts = std::fs::read_dir(folder.path().join("out/recon-batch/cases")).expect("listed");
        let worked: f64 = attempts
            .map(|entry| std::fs::read(entry.expect("listed").path()).expect("read"))
            .map(|bytes| {
                serde_json::from_slice::<Value>(&bytes).expect("JSON")["seconds"].as_f64().unwrap_or(0.0)
            })
            .sum();
        let idle = 1.0 - worked / (2.0 * wall);
        if idle < share {
            (share, seconds) = (idle, wall);
        }
    }
    println!(
        "{CASES} cases of total variation: {seconds:.1} s, of which start-up and state {:.1} %",
        100.0 * share
    );
}
