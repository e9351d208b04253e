//! The score stack against recorded runs of the published code and against closed forms.

mod chains;
mod correctors;
mod descent;
mod fixtures;
mod flow;
mod forms;
mod inverse;
mod likelihood;
mod network;
mod posteriors;
mod sampler;
mod sde;
mod seeds;
mod statistics;
mod table;
mod transforms;
