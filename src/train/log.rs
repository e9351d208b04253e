//! The log of a training: one JSON object a line.

use anyhow::{Context, Result};
use recon_data::Overwrite;
use recon_data::atomic::write_bytes;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A line about the steps since the line before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Steps taken.
    pub step: u64,
    /// Seconds spent, resumed runs included.
    pub seconds: f64,
    /// Mean loss of the steps since the line before.
    pub loss: f64,
    /// Length of the last step's gradient before it was shortened.
    pub gradient: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
}

/// The log file.
pub(super) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the log of a run that has taken `steps` steps. Lines about later steps, which a run wrote after its
    /// last saved state, are taken out, and so is a line that was cut short.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn open(path: &Path, steps: u64) -> Result<Self> {
        let failed = || format!("{}: cannot write the log", path.display());
        let old = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(failed),
        };
        let kept: Vec<u8> = old
            .split_inclusive(|byte| *byte == b'\n')
            .filter(|l| keeps(l, steps))
            .flatten()
            .copied()
            .collect();
        if kept != old {
            write_bytes(path, &kept, Overwrite::Force)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&mut self, line: &impl Serialize) -> Result<()> {
        // In one piece, so that a reader meets whole lines.
        let text = format!("{}\n", serde_json::to_string(line)?);
        self.file
            .write_all(text.as_bytes())
            .with_context(|| format!("{}: cannot write the log", self.path.display()))
    }

    /// Flushes to disk, so that a state saved afterwards never knows of steps that the log does not.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().with_context(|| format!("{}: cannot write the log", self.path.display()))
    }
}

/// Whether a line is whole and about one of the first `steps` steps.
fn keeps(line: &[u8], steps: u64) -> bool {
    let step = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).ok()?.get("step")?.as_u64();
    line.ends_with(b"\n") && step(line).is_some_and(|step| step <= steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_state_and_torn_lines_are_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, "{\"step\":5}\n{\"step\":10}\n{\"step\":10,\"a\":1}\n{\"step\":15}\n{\"ste")
            .unwrap();
        Log::open(&path, 10).unwrap().write(&serde_json::json!({"step": 11})).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"step\":5}\n{\"step\":10}\n{\"step\":10,\"a\":1}\n{\"step\":11}\n");
        Log::open(&path, 0).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
