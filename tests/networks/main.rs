//! The published networks against recorded outputs of their authors' code and against slow arithmetic.

mod command;
#[path = "../common/mod.rs"]
mod common;
mod description;
mod imported;
mod layers;
mod options;
mod published;
mod records;
mod slow;
mod training;
