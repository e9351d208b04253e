#![no_main]

#[path = "../targets.rs"]
mod targets;
#[path = "../run.rs"]
mod run;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run::one("hdf5", bytes));
