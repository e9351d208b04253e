//! Ctrl-C and termination: stop between slices and keep what is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

/// Which signal asked the program to stop, if one did. Clones share the answer.
#[derive(Clone, Default)]
pub struct Interrupt {
    signal: Arc<AtomicI32>,
    /// Whether it may first finish what it works on.
    gently: Arc<AtomicBool>,
    /// Whether a slice is worked on; what is finished lies on the disk then, and nothing is being written.
    working: Arc<AtomicBool>,
}

/// How long a slice may go on after the first signal: most methods look up between two steps before that.
const GRACE: Duration = Duration::from_millis(1600);

impl Interrupt {
    /// Starts to listen. Call it before any other thread is started: threads inherit that the signals are
    /// left to the listener. A second signal ends the process at once.
    #[cfg(unix)]
    pub fn listen() -> Self {
        use nix::sys::signal::{SigSet, Signal};
        let interrupt = Self::default();
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.add(Signal::SIGHUP);
        signals.add(Signal::SIGUSR1);
        if signals.thread_block().is_err() {
            return interrupt;
        }
        let heard = interrupt.clone();
        std::thread::spawn(move || {
            while let Ok(signal) = signals.wait() {
                // Schedulers send it some time before they end a job.
                if signal == Signal::SIGUSR1 {
                    heard.gently.store(true, Ordering::SeqCst);
                    continue;
                }
                if heard.signal.swap(signal as i32, Ordering::Relaxed) != 0 {
                    std::process::exit(128 + signal as i32);
                }
                let heard = heard.clone();
                std::thread::spawn(move || heard.end_after_grace(signal as i32));
            }
        });
        interrupt
    }

    /// Ends the process if it is still in the middle of a slice after a while.
    #[cfg(unix)]
    fn end_after_grace(&self, signal: i32) {
        std::thread::sleep(GRACE);
        if self.working.load(Ordering::SeqCst) {
            super::context::tell("error: interrupted; the finished slices are kept, continue with --resume");
            std::process::exit(128 + signal);
        }
    }

    /// Says whether a slice is worked on from now on.
    pub fn work(&self, working: bool) {
        self.working.store(working, Ordering::SeqCst);
    }

    /// Signals are a matter of Unix; elsewhere Ctrl-C ends the process at once.
    #[cfg(not(unix))]
    pub fn listen() -> Self {
        Self::default()
    }

    /// Whether the program was asked to stop once it has finished what it works on.
    pub fn gently(&self) -> bool {
        self.gently.load(Ordering::SeqCst)
    }

    /// As if this signal had come.
    #[cfg(test)]
    pub fn receive(&self, signal: i32) {
        self.signal.store(signal, Ordering::Relaxed);
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
    }
}
