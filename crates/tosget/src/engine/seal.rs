//! Syncs the temporary file, so that what is said of it is true: a file system may acknowledge a write that it can't keep, and
//! report that with a later call, once, to whoever asks first.
//!
//! Before a sync begins the journal says so. Should nobody hear of its result, the next run reads from the disk itself.

use std::time::Duration;

use tokio::time::sleep;

use super::prepare::Session;
use super::{Spec, blocking};
use crate::error::{Error, ErrorKind};
use crate::storage::Stat;

/// How long a cancel waits for the sync that saves the next run from reading back: less than anybody notices.
const PATIENCE_AFTER_CANCEL: Duration = Duration::from_millis(300);

/// How long any other error waits for it. What can't be written in this time is as well read back.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a sync.
#[derive(Debug)]
pub(super) enum Synced<T> {
    Done(T),
    /// None of the file's bytes can be believed: the system may have dropped the pages that it could not write.
    Failed(Error),
    /// The journal could not be told of it, so it did not begin.
    NotBegun(Error),
    /// It is under way, and its result will be heard by nobody. The lock is given back.
    Abandoned,
}

impl Session {
    /// Runs `sync`, which syncs the temporary file, until `enough`.
    pub(super) async fn sync_until<T: Send + 'static>(
        &mut self,
        sync: impl FnOnce() -> Result<T, Error> + Send + 'static,
        enough: impl Future<Output = ()>,
    ) -> Synced<T> {
        if let Err(error) = self.recorder.doubt().await {
            return Synced::NotBegun(error);
        }
        tokio::select! {
            biased;
            synced = blocking(sync) => match synced {
                Ok(done) => Synced::Done(done),
                Err(error) => Synced::Failed(error),
            },
            () = enough => {
                self.scratch.file.unlock();
                Synced::Abandoned
            }
        }
    }

    /// Leaves the journal so that the next run can go on after `failure`. Whether there is anything to go on with.
    pub(super) async fn seal(&mut self, spec: &Spec, failure: &Error) -> bool {
        if failure.kind() == ErrorKind::Disk {
            if let Err(error) = self.recorder.doubt().await {
                tracing::warn!(target: "tosget::checkpoint", %error, "the journal could not be told that the disk failed");
            }
            return true;
        }
        let is_canceled = failure.kind() == ErrorKind::Canceled;
        let enough = async {
            if is_canceled {
                return sleep(PATIENCE_AFTER_CANCEL).await;
            }
            tokio::select! {
                () = sleep(PATIENCE) => {}
                () = spec.cancel.canceled() => {}
            }
        };
        let file = self.scratch.file.clone();
        match self.sync_until(move || file.sync(), enough).await {
            Synced::Done(stat) => self.release(stat).await,
            Synced::Abandoned => {
                tracing::info!(target: "tosget::checkpoint", "the disk is slow to take what came; the next run reads it back");
            }
            Synced::NotBegun(error) => {
                tracing::warn!(target: "tosget::checkpoint", %error, "the checkpoint could not be closed in order; it will be read back");
            }
            Synced::Failed(error) => {
                tracing::warn!(target: "tosget::checkpoint", %error, "what was downloaded is not on the disk, the next run begins at zero");
                // One that could not be moved can be gone on with: what it claims is in doubt.
                return self.set_journal_aside().await.is_none();
            }
        }
        true
    }

    async fn release(&mut self, stat: Stat) {
        // A record that takes a claim back must not be lost behind the seal.
        let released = match self.recorder.sync().await {
            Ok(()) => self.recorder.release(stat).await,
            failed => failed,
        };
        if let Err(error) = released {
            tracing::warn!(target: "tosget::checkpoint", %error, "the checkpoint could not be closed in order; it will be read back");
        }
    }
}
