//! The gate before the tests that need the reference data, a folder which not everybody has.
//!
//! It is `RECON_SHARED`, or `shared` beside the repository. The names of these tests start with `reference_`, so that a
//! list of tests shows which they are.

use std::io::Write as _;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// The folder of the reference data. Without it, says on stderr that the test is skipped, for the test to return.
///
/// # Panics
/// Without the folder, where `RECON_REQUIRE_SHARED` is 1; and in a test whose name does not start with `reference_`.
#[track_caller]
pub(crate) fn shared() -> Option<PathBuf> {
    let test = test();
    let path = std::env::var_os("RECON_SHARED").map_or_else(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    let required = std::env::var_os("RECON_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(!required, "{test}: needs the reference data; {} is not a folder", path.display());
    // Past the capture of the test harness, which would hide it; in one piece, because tests run at the same time.
    let line = format!("skipped: {test}: needs the reference data\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}

/// The name of the running test; its place where the harness runs all tests on its own thread.
#[track_caller]
fn test() -> String {
    let thread = std::thread::current();
    match thread.name() {
        Some(name) if name != "main" => {
            let last = name.rsplit("::").next().unwrap_or(name);
            assert!(
                last.starts_with("reference_"),
                "{name} needs the reference data, which its name should say"
            );
            name.to_owned()
        }
        _ => Location::caller().to_string(),
    }
}

/// `shared` beside the workspace, which is where the lock file is.
fn beside() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.ancestors().find(|folder| folder.join("Cargo.lock").exists()).unwrap_or(package);
    workspace.join("../shared")
}
