//! Damaged files, many of them: each is read or refused in one line, in bounded memory and time, and nothing panics.
//!
//! `RECON_MUTATIONS` is their number for every format; docs/reliability.md has what long runs found.

mod mutate;
mod seeds;
#[path = "../../fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use targets::TARGETS;

/// Mutations of a format when nobody says how many.
const FEW: u64 = 1500;
/// No input takes longer.
const LONGEST: Duration = Duration::from_secs(20);
/// Bytes that the process may have: several times what any of these small files decodes to, and what the program takes. An
/// allocation beyond ends the process, and the test with it.
#[cfg(target_os = "linux")]
const MEMORY: u64 = 1 << 30;

#[cfg(target_os = "linux")]
fn limit_memory() {
    let limit = libc::rlimit { rlim_cur: MEMORY, rlim_max: MEMORY };
    // SAFETY: the limit is a valid structure that lives as long as the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

#[cfg(not(target_os = "linux"))]
fn limit_memory() {}

#[test]
fn damaged_files_are_refused_and_nothing_else_happens() {
    limit_memory();
    let count = std::env::var("RECON_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW);
    let folder = tempfile::tempdir().expect("a folder");
    for target in TARGETS {
        let seeds = seeds::of(target.name);
        let path = folder.path().join(format!("input.{}", target.ending));
        let (mut read, mut slowest) = (0, Duration::ZERO);
        for number in 0..count {
            std::fs::write(&path, mutate::mutated(&seeds, number)).expect("written");
            let begin = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| (target.read)(&path)));
            let name = format!("{} {number}", target.name);
            let message = outcome.unwrap_or_else(|_| panic!("mutation {name} ends in a panic"));
            read += u64::from(message.is_none());
            let line = message.unwrap_or_default();
            assert!(line.lines().count() <= 1, "mutation {name} takes several lines: {line}");
            slowest = slowest.max(begin.elapsed());
            assert!(slowest < LONGEST, "mutation {name} took {slowest:?}");
        }
        println!("{}: {count} mutations, {read} read, slowest {slowest:?}", target.name);
    }
}

#[test]
fn good_files_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    // Pixels that no decoder takes, a data set without pixels, and complex numbers where an image is looked for.
    let known_bad = |target: &str, n: usize| matches!((target, n), ("dicom", 0..3) | ("npy", 1));
    for target in TARGETS {
        for (n, seed) in seeds::of(target.name).iter().enumerate() {
            let path = folder.path().join(format!("input.{}", target.ending));
            std::fs::write(&path, seed).expect("written");
            let message = (target.read)(&path);
            assert!(message.is_none() || known_bad(target.name, n), "{} {n}: {message:?}", target.name);
        }
    }
}
