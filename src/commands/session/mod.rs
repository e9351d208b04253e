//! A run of the program: logs, threads, signals, failures, and the cases that it works on.

pub mod cases;
pub mod context;
pub mod failure;
pub mod inputs;
pub mod interrupt;
pub mod watched;
