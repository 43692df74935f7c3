//! Whether a disk keeps a download: file work is under way, and none has ended for long.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::Tasks;

/// A disk that lets no piece of work end for longer than this is taken for stuck.
const STUCK: Duration = Duration::from_secs(1);

/// The file work of one download.
#[derive(Debug, Default)]
pub(super) struct Files {
    under_way: AtomicUsize,
    /// When a piece of it last ended, or began with no other under way: in milliseconds, by the clock of its tasks.
    moved_at: AtomicU64,
}

/// File work under way, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct AtDisk(Tasks);

impl Files {
    pub(super) fn are_stuck(&self, now: Duration) -> bool {
        let moved_at = Duration::from_millis(self.moved_at.load(Ordering::SeqCst));
        self.under_way.load(Ordering::SeqCst) > 0 && now.saturating_sub(moved_at) > STUCK
    }
}

impl AtDisk {
    pub(super) fn begin(tasks: &Tasks) -> Self {
        let begun = Self(tasks.clone());
        if begun.0.files.under_way.load(Ordering::SeqCst) == 0 {
            begun.moves();
        }
        begun.0.files.under_way.fetch_add(1, Ordering::SeqCst);
        begun
    }

    fn moves(&self) {
        let now = self.0.shared.milliseconds();
        self.0.files.moved_at.store(now, Ordering::SeqCst);
    }
}

impl Drop for AtDisk {
    fn drop(&mut self) {
        self.moves();
        self.0.files.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}
