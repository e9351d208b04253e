//! Operators whose posteriors are easy to know.

mod channels;
mod identity;

pub use channels::ChannelMix;
pub use identity::Identity;
