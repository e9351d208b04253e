//! What is written down about all cases, on a disk that many machines share.
//!
//! There is no lock and no server: attempt n at a case is a file that can be made once. Whoever makes it has the case; its
//! content is replaced by rename as the work goes on, so that a reader finds a whole file or none. A case is taken from a
//! process that is gone by making the file of attempt n + 1.

use super::attempt::Attempt;
use super::worker::Worker;
use anyhow::{Context as _, Result};
use recon_data::atomic::{self, Overwrite};
use recon_data::{DataError, digest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The folder with the files of all attempts.
pub struct Ledger {
    folder: PathBuf,
    worker: Worker,
}

/// A sign of life is given this often, and a process that gave none for [`SILENCE`] is gone.
pub const HEARTBEAT: Duration = Duration::from_secs(30);
/// Ten signs of life that did not come.
pub const SILENCE: Duration = Duration::from_secs(300);

/// More than an attempt is described with, in bytes.
const MOST_BYTES: u64 = 1 << 24;

/// The name that a case has in the ledger: the first digits of the SHA-256 of where its result goes.
pub fn case_name(output: &Path) -> String {
    digest::sha256_bytes(output.as_os_str().as_encoded_bytes())[..16].to_owned()
}

impl Ledger {
    /// The ledger in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| {
            format!("{}: cannot be created; name another output folder", folder.display())
        })?;
        Ok(Self { folder: folder.to_owned(), worker: Worker::this() })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, name: &str, number: u32) -> PathBuf {
        self.folder.join(format!("{name}-{number}.json"))
    }

    /// The number of the last attempt at each case.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn numbers(&self) -> Result<BTreeMap<String, u32>> {
        let failed = || format!("{}: cannot be listed", self.folder.display());
        let mut numbers = BTreeMap::new();
        for entry in self.folder.read_dir().with_context(failed)? {
            let name = entry.with_context(failed)?.file_name().to_string_lossy().into_owned();
            if let Some((case, number)) = parts(&name) {
                let last = numbers.entry(case.to_owned()).or_insert(number);
                *last = number.max(*last);
            }
        }
        Ok(numbers)
    }

    /// The last attempt at a case, if there was one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn last(&self, name: &str) -> Result<Option<Attempt>> {
        // Numbers have no gaps: the one after the last is not there.
        let mut found = None;
        for number in 1.. {
            match self.read(name, number)? {
                Some(attempt) => found = Some(attempt),
                None => break,
            }
        }
        Ok(found)
    }

    /// Attempt `number` at a case, if it was made.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str, number: u32) -> Result<Option<Attempt>> {
        let path = self.file(name, number);
        match recon_data::read_text(&path, MOST_BYTES) {
            Ok(text) => serde_json::from_str(&text).map(Some).with_context(|| {
                format!("{}: is damaged; delete it, and the case is done again", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}: cannot be read", path.display())),
        }
    }

    /// Begins attempt `number` at a case; none when somebody else was faster.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&self, output: &Path, number: u32) -> Result<Option<Attempt>> {
        let attempt = Attempt::begun(output.to_owned(), number, self.worker.clone());
        match self.write(&attempt, Overwrite::Refuse) {
            Ok(()) => Ok(Some(attempt)),
            Err(error) if matches!(error.downcast_ref(), Some(DataError::Exists { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes down how an attempt stands now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, attempt: &Attempt) -> Result<()> {
        self.write(attempt, Overwrite::Force)
    }

    fn write(&self, attempt: &Attempt, overwrite: Overwrite) -> Result<()> {
        let path = self.file(&case_name(&attempt.output), attempt.number);
        Ok(atomic::write_bytes(&path, &serde_json::to_vec(attempt)?, overwrite)?)
    }

    /// Whether nobody works on a running attempt any more: its process is gone, or has long given no sign of life.
    ///
    /// # Errors
    /// When the file or the clock of the disk cannot be read.
    pub fn is_abandoned(&self, attempt: &Attempt) -> Result<bool> {
        if let Some(alive) = attempt.worker.is_alive() {
            return Ok(!alive);
        }
        let sign = self.sign_of_life(attempt)?;
        Ok(self.now()?.duration_since(sign).is_ok_and(|silence| silence > SILENCE))
    }

    /// When the process of an attempt last wrote its file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sign_of_life(&self, attempt: &Attempt) -> Result<SystemTime> {
        let path = self.file(&case_name(&attempt.output), attempt.number);
        let failed = || format!("{}: cannot be read", path.display());
        path.metadata().and_then(|about| about.modified()).with_context(failed)
    }

    /// The time by the clock of the disk, which is the one that the ages of files are told by.
    fn now(&self) -> Result<SystemTime> {
        let file = tempfile::Builder::new().prefix(".recon-clock-").tempfile_in(&self.folder)?;
        Ok(file.as_file().metadata()?.modified()?)
    }
}

/// The case and the number of the attempt in the name of a file.
fn parts(name: &str) -> Option<(&str, u32)> {
    let (case, number) = name.strip_suffix(".json")?.rsplit_once('-')?;
    Some((case, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Status;

    #[test]
    fn an_attempt_is_made_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::open(folder.path()).expect("a ledger");
        let output = Path::new("a_recon.nii");
        let winners: usize = std::thread::scope(|scope| {
            let begin = || usize::from(ledger.begin(output, 1).expect("written").is_some());
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(winners, 1);
        let name = case_name(output);
        assert_eq!(ledger.numbers().expect("listed"), BTreeMap::from([(name.clone(), 1)]));
        let mut attempt = ledger.last(&name).expect("read").expect("there");
        assert!(!ledger.is_abandoned(&attempt).expect("alive"));
        attempt.status = Status::Done;
        ledger.note(&attempt).expect("written");
        assert_eq!(ledger.last(&name).expect("read"), Some(attempt));
        assert!(ledger.begin(output, 2).expect("written").is_some());
        assert_eq!(ledger.last(&name).expect("read").map(|last| last.number), Some(2));
        assert_eq!(folder.path().read_dir().expect("listed").count(), 2);
    }

    #[test]
    fn silence_on_another_machine_is_told_by_the_clock_of_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::open(folder.path()).expect("a ledger");
        let mut attempt = ledger.begin(Path::new("a"), 1).expect("written").expect("made");
        attempt.worker.host = "elsewhere".into();
        ledger.note(&attempt).expect("written");
        assert!(!ledger.is_abandoned(&attempt).expect("read"));
        let file = std::fs::File::options()
            .write(true)
            .open(ledger.file(&case_name(Path::new("a")), 1))
            .expect("there");
        file.set_modified(SystemTime::now() - SILENCE - Duration::from_secs(5)).expect("set");
        assert!(ledger.is_abandoned(&attempt).expect("read"));
    }
}
