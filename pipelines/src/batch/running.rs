//! Attempts that are being made by this process: they give signs of life, and hear when they are no longer wanted.

use super::attempt::Attempt;
use super::ledger::{Ledger, case_name};
use super::work::{Listener, Stop};
use crate::{Progress, Watch};
use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All of them.
#[derive(Default)]
pub(super) struct Running {
    slots: Mutex<Vec<Arc<Slot>>>,
    given_up: AtomicBool,
}

/// One of them.
pub(super) struct Slot {
    attempt: Mutex<Attempt>,
    /// Somebody else took the case, as this process gave no sign of life.
    lost: AtomicBool,
}

impl Running {
    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt is made from now on.
    pub(super) fn begin(&self, attempt: Attempt) -> Arc<Slot> {
        let slot = Arc::new(Slot { attempt: Mutex::new(attempt), lost: AtomicBool::new(false) });
        self.slots().push(slot.clone());
        slot
    }

    /// An attempt has ended so.
    pub(super) fn end(&self, slot: &Arc<Slot>, attempt: &Attempt, ledger: &Ledger) -> Result<()> {
        // Out of the list first: a sign of life must not be written over the end.
        self.slots().retain(|other| !Arc::ptr_eq(other, slot));
        let mut held = slot.lock();
        *held = attempt.clone();
        if slot.lost.load(Ordering::SeqCst) { Ok(()) } else { ledger.note(&held) }
    }

    /// A sign of life of all of them. What cannot be written now is written next time.
    pub(super) fn beat(&self, ledger: &Ledger) {
        let slots = self.slots().clone();
        for slot in slots {
            let attempt = slot.lock();
            let name = case_name(&attempt.output);
            if matches!(ledger.read(&name, attempt.number + 1), Ok(Some(_))) {
                slot.lost.store(true, Ordering::SeqCst);
            } else if attempt.status == super::Status::Running && self.holds(&slot) {
                let _ = ledger.note(&attempt);
            }
        }
    }

    fn holds(&self, slot: &Arc<Slot>) -> bool {
        self.slots().iter().any(|other| Arc::ptr_eq(other, slot))
    }

    /// Nothing more is begun.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }

    /// Whether something went wrong that ends everything.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Attempt> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands.
    pub(super) fn attempt(&self) -> Attempt {
        self.lock().clone()
    }

    /// Changes how it stands.
    pub(super) fn change(&self, change: impl FnOnce(&mut Attempt)) {
        change(&mut self.lock());
    }

    /// Hears how its case goes, and tells `watch`.
    pub(super) fn watch<'a>(&'a self, watch: &'a dyn Watch, listener: &'a dyn Listener) -> Watched<'a> {
        Watched { slot: self, watch, listener, between: AtomicBool::new(true) }
    }
}

/// Hears how a case goes.
pub(super) struct Watched<'a> {
    slot: &'a Slot,
    watch: &'a dyn Watch,
    listener: &'a dyn Listener,
    /// Whether the next question is asked between two slices.
    between: AtomicBool,
}

impl Progress for Watched<'_> {
    fn step(&self, done: usize, steps: usize) {
        self.watch.step(done, steps);
    }

    fn cancelled(&self) -> bool {
        let least = if self.between.swap(false, Ordering::SeqCst) { Stop::AfterSlice } else { Stop::Now };
        self.slot.lost.load(Ordering::SeqCst) || self.listener.stop() >= least
    }
}

impl Watch for Watched<'_> {
    fn say(&self, line: &str) {
        self.watch.say(line);
    }

    fn detail(&self, line: &str) {
        self.watch.detail(line);
    }

    fn begin(&self, slices: usize) {
        self.between.store(true, Ordering::SeqCst);
        self.slot.change(|attempt| attempt.slices = Some([0, slices]));
        self.watch.begin(slices);
    }

    fn slice(&self, done: usize, slices: usize) {
        self.between.store(true, Ordering::SeqCst);
        self.slot.change(|attempt| attempt.slices = Some([done, slices]));
        self.watch.slice(done, slices);
    }

    fn end(&self) {
        self.watch.end();
    }
}
