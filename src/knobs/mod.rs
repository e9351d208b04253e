//! What can be set about a method, as a sampler declares it beside its code.

mod error;
mod info;
mod knob;
mod sampler;
mod table;

pub use error::SettingError;
pub use info::{COMMON, Info, SAMPLES};
pub use knob::{Knob, Range, Search};
pub use sampler::SamplerSettings;
pub use table::Table;
pub(crate) use table::{filled, of};
