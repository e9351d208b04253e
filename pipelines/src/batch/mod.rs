//! Many cases: a plan, what is written down about each, and the work, by several processes that share a disk.

mod attempt;
mod bids;
mod expand;
mod find;
mod ledger;
mod manifest;
mod pattern;
mod plan;
mod running;
pub mod slurm;
mod summary;
mod work;
mod worker;

pub use attempt::{Attempt, Ingredients, Status, Written};
pub use bids::{BidsFilter, BidsQuery};
pub use expand::{Expansion, Planned};
pub use find::Found;
pub use ledger::{HEARTBEAT, Ledger, SILENCE, case_name};
pub use plan::{Entry, Inputs, Options, Plan, words};
pub use summary::summarise;
pub use work::{Batch, BatchCase, Event, Listener, Rules, Stop, options_digest};
pub use worker::Worker;
