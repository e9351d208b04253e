//! The published networks once more, by plain loops in double precision over one image, straight from their
//! definitions: what the fast ones are held to where no recorded output exists.

mod maps;
mod ncsn;
mod ncsnpp;

pub(crate) use maps::{Map, Weights};
pub(crate) use ncsn::ncsn;
pub(crate) use ncsnpp::{ddpm, ncsnpp};
