//! How far a download is, for those who watch it from outside. Counting never blocks and is never late for a part.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A view of one download's progress that can be read from any thread at any time.
///
/// Give a clone to [`DownloadFile::with_progress`](crate::DownloadFile::with_progress) and read it as often as you like.
/// Each call counts from zero; calls that run at the same time want a view each.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    total: AtomicU64,
    resumed: AtomicU64,
    held: AtomicU64,
    landed: AtomicU64,
    fetched: AtomicU64,
    rechecking: AtomicU64,
    parts_total: AtomicU64,
    running: AtomicU32,
    retries: AtomicU64,
    restarts: AtomicU64,
    throttled: AtomicU64,
    requests: AtomicU64,
}

/// The numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgressSnapshot {
    /// Size of the object in bytes; 0 until the server has told it.
    pub total_bytes: u64,
    /// Bytes in the temporary file, those of earlier runs included. A byte that has to be fetched twice counts once.
    pub consumed_bytes: u64,
    /// Of these, bytes that an earlier run had fetched.
    pub resumed_bytes: u64,
    /// Bytes that came over the network, those that had to be fetched twice included.
    pub fetched_bytes: u64,
    /// Bytes in the temporary file that are still being read back to see whether they are good.
    pub rechecking_bytes: u64,
    /// Number of parts that the object has with this download's part size.
    pub parts_total: u64,
    /// Tasks at work: parts in flight.
    pub running_tasks: u32,
    /// Failed attempts that were tried again.
    pub retries: u64,
    /// How often the download started over because the object had been replaced.
    pub restarts: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that the service said it slowed down (`x-tos-qos-delay-time`).
    pub throttled: u64,
}

impl Progress {
    /// A view of a download that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// The numbers now.
    pub fn snapshot(&self) -> ProgressSnapshot {
        let counters = &self.0;
        // Read before `rechecking`, which is lowered first: so no byte is seen as both.
        let held = counters.held.load(Ordering::Acquire);
        ProgressSnapshot {
            total_bytes: counters.total.load(Ordering::Relaxed),
            consumed_bytes: held + counters.landed.load(Ordering::Relaxed),
            resumed_bytes: counters.resumed.load(Ordering::Relaxed),
            fetched_bytes: counters.fetched.load(Ordering::Relaxed),
            rechecking_bytes: counters.rechecking.load(Ordering::Relaxed),
            parts_total: counters.parts_total.load(Ordering::Relaxed),
            running_tasks: counters.running.load(Ordering::Relaxed),
            retries: counters.retries.load(Ordering::Relaxed),
            restarts: counters.restarts.load(Ordering::Relaxed),
            throttled: counters.throttled.load(Ordering::Relaxed),
            requests: counters.requests.load(Ordering::Relaxed),
        }
    }

    /// A new call counts from zero.
    pub(crate) fn reset(&self) {
        let Counters {
            total,
            resumed,
            held,
            landed,
            fetched,
            rechecking,
            parts_total,
            running,
            retries,
            restarts,
            throttled,
            requests,
        } = &*self.0;
        for counter in [
            total,
            resumed,
            held,
            landed,
            fetched,
            rechecking,
            parts_total,
            retries,
            restarts,
            throttled,
            requests,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        running.store(0, Ordering::Relaxed);
    }

    /// The call goes on with another object, of which nothing is known yet and nothing is there. What counts the call's work
    /// counts on.
    pub(crate) fn start_over(&self) {
        self.begin_anew();
        self.0.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, where it may be the same object.
    pub(crate) fn begin_anew(&self) {
        let counters = &self.0;
        for counter in [
            &counters.landed,
            &counters.resumed,
            &counters.held,
            &counters.rechecking,
            &counters.total,
            &counters.parts_total,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn begin(&self, total: u64, parts_total: u64) {
        self.0.total.store(total, Ordering::Relaxed);
        self.0.parts_total.store(parts_total, Ordering::Relaxed);
    }

    /// So many bytes are there after all: what was there is looked at again.
    pub(crate) fn holds(&self, bytes: u64) {
        self.0.landed.store(0, Ordering::Relaxed);
        self.0.held.store(bytes, Ordering::Release);
    }

    /// Bytes that were looked at again are good.
    pub(crate) fn holds_more(&self, bytes: u64) {
        self.0.held.fetch_add(bytes, Ordering::Release);
    }

    /// The temporary file took `bytes` more.
    pub(crate) fn landed(&self, bytes: u64) {
        self.0.landed.fetch_add(bytes, Ordering::Relaxed);
        self.0.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that had landed turned out to be wrong.
    pub(crate) fn taken_back(&self, bytes: u64) {
        self.0.landed.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of an earlier run are believed.
    pub(crate) fn resumed(&self, bytes: u64) {
        self.0.resumed.fetch_add(bytes, Ordering::Relaxed);
        self.holds_more(bytes);
    }

    pub(crate) fn rechecking(&self, bytes: u64) {
        self.0.rechecking.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn running(&self, tasks: usize) {
        self.0
            .running
            .store(u32::try_from(tasks).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.0.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn throttled(&self) {
        self.0.throttled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn requested(&self) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
    }
}
