//! The score stack against recorded runs of the published code and against closed forms.

mod chains;
mod correctors;
mod dequantization;
mod descent;
mod fixtures;
mod flow;
mod forms;
mod inverse;
mod learned;
mod likelihood;
mod matching;
mod network;
mod posteriors;
mod sampler;
mod sde;
mod second_order;
mod seeds;
mod statistics;
mod table;
mod theorem;
mod transforms;
mod uncertainty;
