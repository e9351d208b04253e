//! The `recon` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    recon::cli::main()
}
