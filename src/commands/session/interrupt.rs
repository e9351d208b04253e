//! Ctrl-C and termination: stop between slices and keep what is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Which signal asked the program to stop, if one did. Clones share the answer.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicI32>);

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
        if signals.thread_block().is_err() {
            return interrupt;
        }
        let heard = interrupt.clone();
        std::thread::spawn(move || {
            while let Ok(signal) = signals.wait() {
                if heard.0.swap(signal as i32, Ordering::Relaxed) != 0 {
                    std::process::exit(128 + signal as i32);
                }
            }
        });
        interrupt
    }

    /// Signals are a matter of Unix; elsewhere Ctrl-C ends the process at once.
    #[cfg(not(unix))]
    pub fn listen() -> Self {
        Self::default()
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
    }
}
