//! Trials that are kept among the records of a batch, so that the tasks of an array do not all make them.

use super::trial::Found;
use anyhow::Result;
use recon_data::atomic::{self, Overwrite};
use recon_data::digest;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// More than a trial is described with, in bytes.
const MOST_BYTES: u64 = 1 << 16;

/// Everything that decides what a trial finds.
#[derive(Clone, Debug, Serialize)]
pub struct Kind {
    /// Digest of the options.
    pub options: String,
    /// Digest of the model, where there is one.
    pub model: Option<String>,
    /// Rows and columns of a slice.
    pub size: [usize; 2],
    /// Cases at a time, and threads for each.
    pub shared: (usize, usize),
    /// Where networks run.
    pub device: String,
    /// Which processor does the rest.
    pub processor: String,
    /// Version of the program.
    pub version: &'static str,
}

impl Kind {
    fn name(&self) -> Result<String> {
        Ok(format!("{}.json", &digest::sha256_bytes(&serde_json::to_vec(self)?)[..16]))
    }
}

/// The model of the processor; empty where the system does not tell.
pub fn processor() -> String {
    let all = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = all.lines().find_map(|line| line.strip_prefix("model name"));
    model.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned()
}

/// Where trials are kept.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// Among the records of a batch.
    pub fn among(records: &Path) -> Self {
        Self { folder: records.join("trials") }
    }

    /// What a trial of this kind found; a file that cannot be read is as good as none.
    pub fn find(&self, kind: &Kind) -> Option<Found> {
        let text = recon_data::read_text(&self.folder.join(kind.name().ok()?), MOST_BYTES).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps what a trial found.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, kind: &Kind, found: &Found) -> Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(kind.name()?);
        Ok(atomic::write_bytes(&path, &serde_json::to_vec(found)?, Overwrite::Force)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(shared: (usize, usize)) -> Kind {
        let (options, model) = ("o".to_owned(), Some("m".to_owned()));
        let (device, processor) = ("cpu".to_owned(), processor());
        Kind { options, model, size: [96, 64], shared, device, processor, version: "1" }
    }

    #[test]
    fn a_trial_is_found_again_for_its_own_kind_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::among(folder.path());
        assert!(kept.find(&kind((2, 1))).is_none());
        let found = Found { peak_bytes: 7, ..Found::default() };
        kept.keep(&kind((2, 1)), &found).expect("written");
        assert_eq!(kept.find(&kind((2, 1))).map(|found| found.peak_bytes), Some(7));
        assert!(kept.find(&kind((1, 2))).is_none());
        let path = kept.folder.join(kind((2, 1)).name().expect("a name"));
        std::fs::write(path, "{").expect("written");
        assert!(kept.find(&kind((2, 1))).is_none());
    }
}
