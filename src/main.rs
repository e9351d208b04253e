//! The `recon` command.
#![allow(unreachable_pub, reason = "nothing of a program is reachable; `pub` marks what its files share")]

mod cli;
mod commands;

use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    recon::kernels::keep_freed_memory();
    cli::main()
}
