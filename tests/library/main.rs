//! Everything that calls the library: networks, checkpoints, trainings and the score stack.

mod bundles;
mod checkpoints;
#[path = "../common/mod.rs"]
mod common;
mod hostile_checkpoints;
mod ladder;
mod networks;
mod rooms;
mod score;
mod speed;
mod training;
mod unet_parity;
mod views;
