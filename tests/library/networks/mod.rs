//! The published networks against recorded outputs of their authors' code and against slow arithmetic.

mod description;
mod layers;
mod options;
mod published;
mod slow;
mod training;
