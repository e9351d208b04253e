//! Many cases: a plan, what is written down about each, and the work, by several processes that share a disk.

mod attempt;
mod bids;
mod expand;
mod find;
mod ledger;
mod manifest;
mod one;
mod pattern;
mod plan;
mod running;
pub mod slurm;
mod summary;
mod unseen;
mod work;
mod worker;

pub use attempt::{Attempt, Ingredients, Status, Written};
pub use bids::{BidsFilter, BidsQuery};
pub use expand::{Expansion, Planned};
pub use find::Found;
pub use ledger::{HEARTBEAT, Ledger, SILENCE, case_name};
pub use one::options_digest;
pub use plan::{Entry, Inputs, Options, Plan, words};
pub use summary::summarise;
pub use work::{Batch, BatchCase, Event, Listener, Rules, Stop};
pub use worker::Worker;
