//! Working through the cases of a batch, several at a time and beside other processes.

use super::attempt::{Attempt, Status};
use super::ledger::{HEARTBEAT, Ledger, case_name};
use super::running::Running;
use super::summary::PICTURES;
use crate::report::page::Embedding;
use crate::{CaseSpec, Methods, Watch};
use anyhow::{Context as _, Result};
use recon_data::atomic;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

/// A case of a batch.
#[derive(Clone, Debug)]
pub struct BatchCase<M> {
    /// What it is called in messages.
    pub name: String,
    /// Where its result goes, below the folder of outputs; this names it.
    pub output: PathBuf,
    /// Everything else.
    pub case: CaseSpec<M>,
    /// What its sidecar says besides.
    pub sidecar: Map<String, Value>,
}

/// How a batch is worked through; nothing here changes a result.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Cases at a time.
    pub workers: usize,
    /// Threads for each of them.
    pub threads: usize,
    /// How often a case that fails is tried again.
    pub retries: u32,
    /// Do what is not done, and again what is made of something else by now.
    pub resume: bool,
    /// Do everything again, over what is there.
    pub force: bool,
    /// How many pictures of a case are kept for the page, and how fine.
    pub pictures: Embedding,
    /// The command line, for reports.
    pub command: Vec<String>,
    /// Version of the program.
    pub version: String,
}

/// What happens in a batch.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// An attempt has begun; why, if it is not the first.
    Begun(&'a Attempt, Option<String>),
    /// An attempt has ended, with the warnings of its report.
    Ended(&'a Attempt, &'a [String]),
    /// There is nothing to do: the case is done, or another process has it.
    Passed(&'a Attempt),
    /// A process that cannot be seen from here has the case; it is given time for a sign of life.
    Waiting(&'a Attempt),
}

/// How soon to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all.
    Never,
    /// When the slices that are worked on are finished.
    AfterSlice,
    /// At once.
    Now,
}

/// Hears what happens, and may end it.
pub trait Listener: Sync {
    /// Something happened to the case of this number.
    fn event(&self, case: usize, event: &Event<'_>);
    /// Hears how this case goes.
    fn watch(&self, case: usize) -> Box<dyn Watch + '_>;
    /// Whether to stop.
    fn stop(&self) -> Stop;
}

/// Cases, and what is written down about them.
pub struct Batch<'a, M, R> {
    /// Those to be done by this process.
    pub cases: &'a [BatchCase<M>],
    /// The folder of outputs.
    pub outputs: &'a Path,
    /// The folder of everything that is written down about the batch.
    pub records: &'a Path,
    /// Where attempts are written down.
    pub ledger: &'a Ledger,
    /// Makes methods.
    pub methods: &'a R,
    /// How to go about it.
    pub rules: &'a Rules,
    /// Hears how it goes.
    pub listener: &'a dyn Listener,
}

/// What there is to do about a case.
enum Next {
    /// Nothing.
    Pass(Box<Attempt>),
    /// An attempt of this number, after this one, for this reason.
    Begin { number: u32, last: Option<Box<Attempt>>, why: Option<String> },
}

/// What is to become of a case that was looked at.
enum Then {
    /// Nothing more.
    Leave,
    /// It is looked at again.
    Again,
    /// A process that cannot be seen from here has it: it is looked at when there is nothing else to do.
    Later,
}

/// Cases that wait, those for when all else is done, and how many are worked on: one of those may come back.
struct Queue {
    waiting: VecDeque<usize>,
    later: Vec<usize>,
    working: usize,
}

impl<M: Clone + Serialize + Sync, R: Methods<M>> Batch<'_, M, R> {
    /// Works through all cases.
    ///
    /// # Errors
    /// When attempts cannot be written down, or threads not be started. What is wrong with a case is written down and ends
    /// nothing else.
    pub fn work(&self) -> Result<()> {
        let folder = self.records.join(PICTURES);
        let failed = || format!("{}: cannot be created; check that the disk is writable", folder.display());
        std::fs::create_dir_all(&folder).with_context(failed)?;
        // Attempts from before this run do not count for its retries.
        let before = self.ledger.numbers()?;
        let worked = self.rounds(&before);
        self.sweep();
        worked
    }

    /// Goes through all cases, and again through those that a process out of sight had and gave no sign of life for.
    fn rounds(&self, before: &BTreeMap<String, u32>) -> Result<()> {
        let mut left: Vec<usize> = (0..self.cases.len()).collect();
        while !left.is_empty() {
            let later = self.round(left, before)?;
            left = self.wait(&later)?;
        }
        Ok(())
    }

    /// Works through these cases, and gives those that are to be looked at later.
    fn round(&self, cases: Vec<usize>, before: &BTreeMap<String, u32>) -> Result<Vec<usize>> {
        let queue = Mutex::new(Queue { waiting: cases.into(), later: Vec::new(), working: 0 });
        let (changed, running, failed) = (Condvar::new(), Running::default(), Mutex::new(None));
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.rules.workers)
                .map(|_| {
                    scope.spawn(|| {
                        let worked = self.serve((&queue, &changed), &running, before);
                        if let Err(error) = worked {
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            running.give_up();
                        }
                    })
                })
                .collect();
            let (ended, end) = std::sync::mpsc::channel::<()>();
            scope.spawn(|| {
                let end = end;
                while end.recv_timeout(HEARTBEAT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    running.beat(self.ledger);
                }
            });
            for worker in workers {
                let _ = worker.join();
            }
            drop(ended);
        });
        let later = queue.into_inner().unwrap_or_else(PoisonError::into_inner).later;
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(later), Err)
    }

    /// Removes what processes have left that were killed over their last file.
    fn sweep(&self) {
        let folders: BTreeSet<&Path> =
            self.cases.iter().filter_map(|case| case.case.output.image.parent()).collect();
        folders
            .into_iter()
            .chain([self.ledger.folder(), &self.records.join(PICTURES)])
            .for_each(atomic::sweep);
    }

    /// Takes cases until none is left.
    fn serve(
        &self,
        (queue, changed): (&Mutex<Queue>, &Condvar),
        running: &Running,
        before: &BTreeMap<String, u32>,
    ) -> Result<()> {
        let threads = self.rules.threads;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool =
            pool.with_context(|| format!("cannot start {threads} threads; ask for fewer with --threads"))?;
        let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut all = lock();
            let index = loop {
                if self.listener.stop() != Stop::Never || running.is_given_up() {
                    return Ok(());
                }
                match all.waiting.pop_front() {
                    Some(index) => break index,
                    None if all.working == 0 => return Ok(()),
                    None => all = changed.wait(all).unwrap_or_else(PoisonError::into_inner),
                }
            };
            all.working += 1;
            drop(all);
            let old = before.get(&case_name(&self.cases[index].output)).copied().unwrap_or(0);
            let then = pool.install(|| self.attend(index, old, running));
            let mut all = lock();
            all.working -= 1;
            match then {
                Ok(Then::Again) => all.waiting.push_back(index),
                Ok(Then::Later) => all.later.push(index),
                Ok(Then::Leave) | Err(_) => {}
            }
            drop(all);
            changed.notify_all();
            then?;
        }
    }

    /// Does what there is to do about a case, and says what is to become of it.
    fn attend(&self, index: usize, old: u32, running: &Running) -> Result<Then> {
        let name = case_name(&self.cases[index].output);
        let (number, last, why) = match self.next(index, self.ledger.last(&name)?, old)? {
            Next::Pass(attempt)
                if attempt.status == Status::Running && attempt.worker.is_alive().is_none() =>
            {
                return Ok(Then::Later);
            }
            Next::Pass(attempt) => {
                self.listener.event(index, &Event::Passed(&attempt));
                return Ok(Then::Leave);
            }
            Next::Begin { number, last, why } => (number, last, why),
        };
        let Some(attempt) = self.ledger.begin(&self.cases[index].output, number)? else {
            // Another process was faster.
            return Ok(Then::Again);
        };
        self.listener.event(index, &Event::Begun(&attempt, why));
        let owned = last.as_ref().is_some_and(|last| last.owns_outputs);
        let slot = running.begin(attempt);
        let (attempt, warnings) = self.try_case(index, owned, &slot);
        running.end(&slot, &attempt, self.ledger)?;
        self.listener.event(index, &Event::Ended(&attempt, &warnings));
        let again = attempt.status == Status::Failed && number - old <= self.rules.retries;
        Ok(if again { Then::Again } else { Then::Leave })
    }

    fn next(&self, index: usize, last: Option<Attempt>, old: u32) -> Result<Next> {
        let Some(last) = last else { return Ok(Next::Begin { number: 1, last: None, why: None }) };
        let before_this_run = last.number <= old;
        let Rules { resume, force, retries, .. } = *self.rules;
        let why = match last.status {
            Status::Running if self.ledger.is_abandoned(&last)? => {
                Some(format!("process {} on {} is gone", last.worker.pid, last.worker.host))
            }
            Status::Running => None,
            Status::Interrupted => Some("it was interrupted".to_owned()),
            Status::Failed if before_this_run => (resume || force).then(|| "it failed before".to_owned()),
            Status::Failed => (last.number - old <= retries).then(|| "it failed".to_owned()),
            Status::Done if before_this_run && force => Some("everything is done again".to_owned()),
            Status::Done if before_this_run && resume => self.out_of_date(index, &last)?,
            Status::Done => None,
        };
        let (number, last) = (last.number + 1, Box::new(last));
        Ok(match why {
            Some(why) => Next::Begin { number, last: Some(last), why: Some(why) },
            None => Next::Pass(last),
        })
    }
}
