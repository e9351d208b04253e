//! Cases that a process has which cannot be seen from here, on another machine or in another container.
//!
//! They are neither taken at once nor left at once: a machine may have died a second ago. Whoever has nothing else to do waits
//! until there is a new sign of life, and leaves the case, or until the silence is long enough, and takes it.

use super::attempt::Status;
use super::ledger::case_name;
use super::work::{Batch, Event, Stop};
use crate::Methods;
use anyhow::Result;
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// How often signs of life are looked for.
const LOOKS: Duration = Duration::from_secs(5);
/// How often is asked whether to stop.
const ASKS: Duration = Duration::from_millis(100);

/// An attempt at a case when it was first looked at.
#[derive(Clone, Copy)]
struct Seen {
    index: usize,
    number: u32,
    sign: SystemTime,
}

/// What has become of it.
enum Now {
    /// The same; nobody knows whether its process lives.
    Silent,
    /// There was a sign of life.
    Alive,
    /// It has ended or is abandoned.
    Over,
}

impl<M: Clone + Serialize + Sync, R: Methods<M>> Batch<'_, M, R> {
    /// Waits until it is known what has become of these cases or some can be taken, and gives those that are to be looked at
    /// again.
    pub(super) fn wait(&self, cases: &[usize]) -> Result<Vec<usize>> {
        let (mut over, mut silent) = (Vec::new(), Vec::new());
        for &index in cases {
            match self.seen(index)? {
                Some(seen) => silent.push(seen),
                None => over.push(index),
            }
        }
        while over.is_empty() && !silent.is_empty() && self.pause() {
            let mut still = Vec::new();
            for seen in silent {
                match self.now(seen)? {
                    Now::Silent => still.push(seen),
                    Now::Alive => {}
                    Now::Over => over.push(seen.index),
                }
            }
            silent = still;
        }
        if self.listener.stop() == Stop::Never {
            over.extend(silent.iter().map(|seen| seen.index));
            Ok(over)
        } else {
            Ok(Vec::new())
        }
    }

    /// How the last attempt stands, if it runs, and tells that it is waited for.
    fn seen(&self, index: usize) -> Result<Option<Seen>> {
        let Some(last) = self.ledger.last(&case_name(&self.cases[index].output))? else { return Ok(None) };
        if last.status != Status::Running {
            return Ok(None);
        }
        self.listener.event(index, &Event::Waiting(&last));
        Ok(Some(Seen { index, number: last.number, sign: self.ledger.sign_of_life(&last)? }))
    }

    fn now(&self, seen: Seen) -> Result<Now> {
        match self.ledger.last(&case_name(&self.cases[seen.index].output))? {
            Some(last) if last.status == Status::Running && last.number == seen.number => {
                if self.ledger.sign_of_life(&last)? != seen.sign {
                    self.listener.event(seen.index, &Event::Passed(&last));
                    Ok(Now::Alive)
                } else if self.ledger.is_abandoned(&last)? {
                    Ok(Now::Over)
                } else {
                    Ok(Now::Silent)
                }
            }
            _ => Ok(Now::Over),
        }
    }

    /// Lets some time go by; false when there is to be an end.
    fn pause(&self) -> bool {
        for _ in 0..LOOKS.as_millis() / ASKS.as_millis() {
            if self.listener.stop() != Stop::Never {
                return false;
            }
            std::thread::sleep(ASKS);
        }
        true
    }
}
