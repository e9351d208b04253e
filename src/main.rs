//! The `recon` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    recon::kernels::keep_freed_memory();
    recon::cli::main()
}
