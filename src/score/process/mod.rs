//! Processes that turn images into noise, in time or in levels, and the noise itself.

pub(in crate::score) mod chain;
pub(in crate::score) mod moment;
pub(in crate::score) mod noise;
pub(in crate::score) mod schedule;
pub(in crate::score) mod sde;
pub(in crate::score) mod variance_exploding;
pub(in crate::score) mod variance_preserving;

pub use chain::{DdpmChain, SmldChain};
pub use moment::Moment;
pub use noise::{Noise, Stream};
pub use schedule::{Schedule, levels_of_process};
pub use sde::{AncestralStep, Marginal, Sde};
pub use variance_exploding::Ve;
pub use variance_preserving::{SubVp, Vp};
