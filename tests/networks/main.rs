//! The published networks against recorded outputs of their authors' code and against slow arithmetic.

#[path = "../common/mod.rs"]
mod common;
mod description;
mod options;
mod published;
mod records;
mod slow;
