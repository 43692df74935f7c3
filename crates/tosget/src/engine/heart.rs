//! Renews the lease on a checkpoint, whatever else the download is doing, and hears when somebody else has it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::blocking;
use crate::journal::format::Owner;
use crate::journal::{Lease, Ownership};

/// An owner that is alive gives a sign of life this often.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// A task of its own; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Heart {
    task: AbortHandle,
    taken_by: watch::Receiver<Option<Box<Owner>>>,
}

impl Heart {
    /// Does not keep the lease: it ends with its journal.
    pub(super) fn start(lease: &Arc<Lease>, runtime: &Handle) -> Self {
        let lease = Arc::downgrade(lease);
        let (tell, taken_by) = watch::channel(None);
        let task = runtime.spawn(async move {
            if let Some(other) = beat_until_taken(lease).await {
                let _ = tell.send(Some(other));
            }
            // Without a lease there is nothing more to hear.
            tell.closed().await;
        });
        Self {
            task: task.abort_handle(),
            taken_by,
        }
    }

    /// Who has taken the checkpoint over; for ever if nobody does. Cancel safe.
    pub(super) async fn taken(&mut self) -> Box<Owner> {
        if let Ok(taken) = self.taken_by.wait_for(Option::is_some).await
            && let Some(other) = &*taken
        {
            return other.clone();
        }
        std::future::pending().await
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn beat_until_taken(lease: Weak<Lease>) -> Option<Box<Owner>> {
    // The journal was just written.
    let mut beats = interval_at(Instant::now() + BEAT, BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut has_failed = false;
    loop {
        beats.tick().await;
        let lease = lease.upgrade()?;
        match blocking(move || lease.beat()).await {
            Ok(Ownership::Ours) => has_failed = false,
            Ok(Ownership::TakenBy(other)) => return Some(other),
            // Whoever takes it over meanwhile does so under names of its own. What the records need is told by them.
            Err(error) if !has_failed => {
                has_failed = true;
                tracing::warn!(target: "tosget::checkpoint", %error, "the checkpoint's lease could not be renewed");
            }
            Err(_) => {}
        }
    }
}
