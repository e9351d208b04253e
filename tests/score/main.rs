//! The score stack against recorded runs of the published code and against closed forms.

mod fixtures;
mod forms;
mod inverse;
mod network;
mod posteriors;
mod sampler;
mod sde;
mod seeds;
mod transforms;
