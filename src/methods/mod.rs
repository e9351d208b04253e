//! Learned methods that run: descriptions become samplers with a network.

mod bayes;
mod card;
mod conditional;
mod drawn;
mod process;
mod registry;
mod sampled;
mod spread;
mod typicality;
mod usual;

pub use bayes::Denoised;
pub use conditional::Conditioned;
pub use drawn::Drawn;
pub use process::{process_of, sampling_end, value_range};
pub use registry::Registry;
pub use sampled::Sampled;
pub use typicality::Trial;
