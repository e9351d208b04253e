//! Every operator, mask and metric against closed forms and other programs.

mod coils;
mod common;
mod fourier;
mod metrics;
mod radon;
#[path = "../../../tests/common/reference.rs"]
mod reference;
mod sampling;
