//! Code of others that may panic on damaged input.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many calls of [`quietly`] are running. Decoders may have threads of their own, so a thread cannot say it for itself.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
static HOOK: Once = Once::new();

/// What `run` returns, or nothing when it panics: a bad file is not the end of the program, and its panic is not shown.
pub(crate) fn quietly<T>(run: impl FnOnce() -> T) -> Option<T> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if RUNNING.load(Ordering::Relaxed) == 0 {
                before(info);
            }
        }));
    });
    RUNNING.fetch_add(1, Ordering::Relaxed);
    let outcome = catch_unwind(AssertUnwindSafe(run));
    RUNNING.fetch_sub(1, Ordering::Relaxed);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing() {
        assert_eq!(quietly(|| 3), Some(3));
        assert_eq!(quietly(|| [1, 2][std::hint::black_box(5)]), None);
    }
}
