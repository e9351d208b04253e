//! The log of trials, a JSON object a line.

use super::parameter::Parameter;
use super::trial::Trial;
use crate::commands::session::failure::Failure;
use anyhow::{Context, Result};
use recon_data::{Overwrite, atomic};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The trials of a folder; every new one is written at once.
pub(super) struct Log {
    path: PathBuf,
    trials: Vec<Trial>,
}

impl Log {
    /// The log at `path` of a search of these parameters over `cases` slices; empty if there is none yet. A last
    /// line without an end, which an interrupted run may leave, is forgotten.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub(super) fn open(path: &Path, parameters: &[Parameter], cases: usize) -> Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut trials = Vec::new();
        for line in bytes[..whole].split_inclusive(|&byte| byte == b'\n') {
            let trial = serde_json::from_slice(line).ok();
            let sound = |trial: &Trial| trial.is_sound(trials.len(), parameters, cases);
            trials.push(trial.filter(sound).ok_or_else(|| damaged(path, trials.len()))?);
        }
        if whole < bytes.len() {
            atomic::write_bytes(path, &bytes[..whole], Overwrite::Force)?;
        }
        Ok(Self { path: path.to_owned(), trials })
    }

    /// The trials so far.
    pub(super) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// Adds a trial and writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(&mut self, trial: Trial) -> Result<()> {
        let line = format!("{}\n", serde_json::to_string(&trial)?);
        let append = |mut file: File| file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        let opened = OpenOptions::new().create(true).append(true).open(&self.path);
        opened.and_then(append).with_context(|| format!("{}: cannot be written", self.path.display()))?;
        self.trials.push(trial);
        Ok(())
    }
}

fn damaged(path: &Path, line: usize) -> Failure {
    Failure::Input(format!(
        "{}: line {} is not a trial of this search; choose another folder with -o or give --force to start anew",
        path.display(),
        line + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::super::trial::Outcome;
    use super::super::trial::tests::trial;
    use super::*;

    fn parameters() -> Vec<Parameter> {
        vec![lambda()]
    }

    fn lambda() -> Parameter {
        Parameter::try_from("lambda".to_owned()).expect("a parameter")
    }

    #[test]
    fn what_is_written_is_read_again_but_for_a_torn_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trials.jsonl");
        let mut log = Log::open(&path, &parameters(), 2).expect("empty");
        log.add(trial(0, Outcome::Complete, &[20.123_456, 30.0])).expect("written");
        log.add(trial(1, Outcome::Pruned, &[10.0])).expect("written");
        log.add(trial(2, Outcome::Failed, &[])).expect("written");
        let whole = std::fs::read(&path).expect("there");
        assert_eq!(Log::open(&path, &parameters(), 2).expect("good").trials(), log.trials());
        let ends: Vec<usize> = (0..whole.len()).filter(|&k| whole[k] == b'\n').collect();
        for cut in [ends[1] + 1, ends[1] + 2, ends[2] - 5, ends[2]] {
            std::fs::write(&path, &whole[..cut]).expect("cut");
            let log = Log::open(&path, &parameters(), 2).expect("good");
            assert_eq!(log.trials().len(), 2);
            assert_eq!(std::fs::read(&path).expect("there"), whole[..=ends[1]]);
        }
    }

    #[test]
    fn lines_of_something_else_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trials.jsonl");
        let good = serde_json::to_string(&trial(0, Outcome::Complete, &[20.0, 30.0])).expect("text");
        for bad in [
            "{}".to_owned(),
            "nonsense".to_owned(),
            good.replace("\"trial\":0", "\"trial\":1"),
            good.replace("lambda", "snr"),
            good.replace("0.5", "1e999"),
            good.replace("[20.0,30.0]", "[20.0]"),
            good.replace("[20.0,30.0]", "[20.0,80.0]"),
            good.replace("complete", "pruned"),
            good.replace("\"seconds\":1.0", "\"seconds\":-1.0"),
            good.replace("\"seconds\"", "\"more\":1,\"seconds\""),
        ] {
            std::fs::write(&path, format!("{bad}\n")).expect("written");
            let error = Log::open(&path, &parameters(), 2).err().unwrap_or_else(|| panic!("{bad}"));
            assert_eq!(crate::commands::session::failure::exit_code(&error), 3, "{bad}");
        }
        std::fs::write(&path, format!("{good}\n")).expect("written");
        assert_eq!(Log::open(&path, &parameters(), 2).expect("good").trials().len(), 1);
    }
}
