//! The DICOM network (PS3.7, PS3.8): asking an archive for what it has, fetching it, and sending to it.
//!
//! This side always asks: C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE; it listens only while it has asked an archive to
//! send. Images travel as they are stored; nothing here looks at pixels. What a peer sends is not trusted: every length
//! has a limit, every wait ends.

mod address;
mod classes;
mod command;
mod echo;
mod error;
mod file;
mod filter;
mod find;
mod found;
mod get;
mod incoming;
mod link;
mod moved;
mod negotiate;
mod outgoing;
mod pull;
mod push;
mod status;
mod uid;

pub use address::{AeTitle, Node, Peer};
pub use echo::echo;
pub use error::NetworkError;
pub use filter::{DateRange, Filter, ModalityCode, Text};
pub use find::Finder;
pub use found::{Identity, Series, Study};
pub use pull::{Pulled, Selection, Transfer, pull};
pub use push::{Pushed, push};
pub use uid::Uid;

/// Hears how many images have gone over the network, of how many; the number to come is 0 where it is not known.
pub type Listener<'a> = &'a (dyn Fn(usize, usize) + Sync);
