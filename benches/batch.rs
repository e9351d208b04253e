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
/// Cases of the batch whose overhead is measured.
const CASES: usize = 100;
/// Rounds, in each of which everything runs once, by turns.
const ROUNDS: usize = 3;

fn main() {
    if !std::env::args().skip(1).all(|argument| argument == "--bench") {
        return;
    }
    println!("what\trounds\tmedian\tleast\tmost");
    throughput(24, "tv", "--set steps=60");
    overhead();
    throughput(8, "score", "--set steps=8 --set passes=1");
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

/// How many times as fast a batch is as one slice after another, on one thread and on two.
fn throughput(slices: usize, name: &str, settings: &str) {
    let folder = folder(slices, SIDE);
    let said = format!("in --unit hu --views 24 --method {name} {settings} -q -o out");
    let options = settings.replace("--set ", "--option ");
    let batch =
        format!("batch in --task ct --method {name} --option unit=hu --option views=24 {options} -q -o out");
    let lines =
        [format!("ct {said} --threads 1"), format!("ct {said} --threads 2"), format!("{batch} --threads 2")];
    let (mut to_one, mut to_two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [one, two, batch] = [0, 1, 2].map(|k| run(folder.path(), &lines[k]));
        to_one.push(one / batch);
        to_two.push(two / batch);
    }
    row(&format!("{slices} slices by {name}: batch to one thread"), to_one);
    row(&format!("{slices} slices by {name}: batch to two threads a slice"), to_two);
}

/// The share of the threads' time in which no case is worked on: start-up, state, the summary, and the wait for the last case.
fn overhead() {
    let folder = folder(CASES, SIDE);
    let line = "batch in --task ct --method tv --option unit=hu --option views=24 -q -o out --threads 2";
    let shares = (0..ROUNDS).map(|_| {
        let wall = run(folder.path(), line);
        100.0 * (1.0 - worked(&folder.path().join("out/recon-batch/cases")) / (2.0 * wall))
    });
    row(&format!("{CASES} cases by tv: start-up and state (%)"), shares.collect());
}

/// Seconds that cases were worked on.
fn worked(attempts: &Path) -> f64 {
    let files = std::fs::read_dir(attempts).expect("listed").map(|entry| entry.expect("listed").path());
    let seconds = files.map(|path| {
        let attempt: Value = serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON");
        attempt["seconds"].as_f64().expect("a time")
    });
    seconds.sum()
}

fn row(what: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let [least, .., most] = values[..] else { panic!("at least two rounds") };
    println!("{what}\t{}\t{:.2}\t{least:.2}\t{most:.2}", values.len(), values[values.len() / 2]);
}
