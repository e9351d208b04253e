//! What vector instructions and threads need: lanes, memory, and shares of work.

pub(super) mod buffer;
pub(super) mod lanes;
#[cfg(target_arch = "x86_64")]
pub(super) mod lanes_x86;
pub(super) mod memory;
pub(super) mod peak;
pub(super) mod shared;
