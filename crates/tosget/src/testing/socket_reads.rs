//! How often this thread has read from a socket: for tests that bound it. They do all their network on one thread.

use std::cell::Cell;

thread_local! {
    static READS: Cell<u64> = const { Cell::new(0) };
}

/// One more.
pub(crate) fn count() {
    READS.set(READS.get() + 1);
}

/// So far.
pub(crate) fn counted() -> u64 {
    READS.get()
}
