//! Work that may block, away from the threads that must not.

use tokio::task::{JoinHandle, spawn_blocking};

/// Runs file work where it may block. The work goes on if the handle is dropped.
pub(crate) fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    #[cfg(test)]
    if inline::is_wanted() {
        return tokio::spawn(async { work() });
    }
    spawn_blocking(work)
}

/// Tests that want the same order of events in every run do file work on the one thread that they have.
#[cfg(test)]
pub(crate) mod inline {
    use std::cell::Cell;

    thread_local! {
        static WANTED: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn is_wanted() -> bool {
        WANTED.get()
    }

    /// From now on for this thread.
    pub(crate) fn want() {
        WANTED.set(true);
    }
}
