//! What is known of a call from outside, for a caller that waits for it no longer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::canceled;
use crate::error::Error;

/// Where a call is. Clones tell of the same call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whereabouts(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The journal that is there, or may be.
    journal: Option<PathBuf>,
    is_done_with_files: bool,
}

impl Whereabouts {
    /// Notes the journal that the next run would find.
    pub(super) fn found(&self, journal: Option<PathBuf>) {
        self.state().journal = journal;
    }

    /// Notes that the call depends on a disk, from now on or again.
    pub(crate) fn at_files(&self) {
        self.state().is_done_with_files = false;
    }

    /// Notes that only listeners are left to be told.
    pub(crate) fn done_with_files(&self) {
        self.state().is_done_with_files = true;
    }

    /// Whether the call's end no longer depends on a disk.
    pub(crate) fn is_done_with_files(&self) -> bool {
        self.state().is_done_with_files
    }

    /// The error of a canceled call that a disk keeps from ending.
    pub(crate) fn stuck(&self) -> Error {
        let error = canceled().with_hint(
            "a call to the file system has not returned: look whether the disk or the network mount answers",
        );
        match self.state().journal.clone() {
            Some(journal) => error.with_checkpoint(journal),
            None => error,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
