//! The score stack against recorded runs of the published code and against closed forms.

mod chains;
mod conditional;
mod correctors;
mod descent;
mod diffpir;
mod exact;
mod fixtures;
mod flow;
mod forms;
mod guidance;
mod inverse;
mod likelihood;
mod network;
mod posteriors;
mod rendered;
mod sampler;
mod sde;
mod seeds;
mod statistics;
mod table;
mod tasks;
mod transforms;
