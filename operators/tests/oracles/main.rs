//! Every operator, mask and metric against closed forms and other programs.

mod common;
mod fourier;
mod metrics;
mod radon;
mod sampling;
