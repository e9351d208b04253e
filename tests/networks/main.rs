//! The published networks against recorded outputs of their authors' code and against slow arithmetic.

#[path = "../common/mod.rs"]
mod common;
mod description;
mod published;
mod records;
