//! Which connection an answer came over, and whether it was a new one: for the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Numbers the connections of this process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// A connection's number, noted with each answer that comes over it.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionUse {
    id: u64,
    was_used: Arc<AtomicBool>,
}

impl ConnectionUse {
    pub(super) fn new() -> Self {
        Self {
            id: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
            was_used: Arc::default(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether this answer is not the first one. To be asked once for each.
    pub(crate) fn is_reused(&self) -> bool {
        self.was_used.swap(true, Ordering::Relaxed)
    }
}
