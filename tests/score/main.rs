//! The score stack against recorded runs of the published code and against closed forms.

mod fixtures;
mod inverse;
mod posteriors;
mod sampler;
mod sde;
mod seeds;
mod transforms;
