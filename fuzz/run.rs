//! One input of a fuzzer, as a file.

use super::targets::TARGETS;

/// Reads the bytes as a file of the target's format.
pub(crate) fn one(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let folder = std::env::temp_dir().join(format!("recon-fuzz-{}", std::process::id()));
    let path = folder.join(format!("input.{}", target.ending));
    if std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, bytes)).is_ok() {
        let line = (target.read)(&path).unwrap_or_default();
        assert!(line.lines().count() <= 1, "{line}");
    }
}
