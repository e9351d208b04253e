//! Descriptions of methods: which there are, how they are set, and where a value comes from.
//!
//! A [`MethodSpec`] is a method with every setting filled in; it knows no network and no device. [`Layers`] collect what
//! a model's card, a config file, the environment and the command line say, and resolve it, once, to a spec. A new sampler is
//! a settings struct that implements [`SamplerSettings`](crate::knobs::SamplerSettings) and one arm in [`SamplerSpec`].

mod bayes;
mod classical;
mod conditional;
mod info;
mod layers;
mod learned;
mod sampler;
mod spec;

pub use bayes::BayesSpec;
pub use classical::{TvSpec, WaveletSpec};
pub use conditional::ConditionalSpec;
pub use info::{CLASSICAL, find, infos};
pub use layers::{Entry, Layers, Origin, Value};
pub(crate) use learned::builtin;
pub use learned::{Learned, PointEstimate};
pub use sampler::SamplerSpec;
pub use spec::{MethodSpec, MethodTable};
