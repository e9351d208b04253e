//! One file a command: arguments, a plan, the run.

pub mod model;
pub mod train;
